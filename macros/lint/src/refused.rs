//! The one table of refused paths: pattern, rule, what to write instead.
//!
//! In a pattern `{a,b}` is a choice, `*` is any one segment, `x*` a segment that begins with `x`, and a last `**` is any
//! function below. A pattern that ends in `!` is a macro. The first line that matches a path decides.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) rule: &'static str,
    /// What to write instead; empty for the rule's own advice.
    pub(crate) instead: &'static str,
}

const NOW: &str = "use `dacapo::now()`, the time of the turn";
const UUID: &str = "use `dacapo::new_uuid()`";
const RNG: &str = "use `dacapo::rng()`";
const SLEEP: &str = "use `dacapo::sleep(..)`";
const TIMEOUT: &str = "use `dacapo::timeout(..)`";
const EVERY: &str = "call `dacapo::sleep(..)` in the loop";
const CALL: &str = "call an `#[activity]`, several at once with `join_all` or `.start()`";
const ACTIVITY: &str = "do it in an `#[activity]` and await that";
const ARGUMENT: &str = "pass it as an argument, or read it in an `#[activity]`";
pub(crate) const ORDERED: &str = "use a `BTreeMap`/`BTreeSet` or an `IndexMap`, or collect and sort first";
const STATE: &str = "pass it as an argument, or receive it as an event";
const VALUES: &str = "compare and show the values themselves";

/// `""` as the rule marks what is fine although a later line would refuse it.
const TABLE: &[(&str, &str, &str)] = &[
    ("std::time::{SystemTime,Instant}::{now,elapsed}", "clock", NOW),
    ("std::time::UNIX_EPOCH::elapsed", "clock", NOW),
    ("std::time::SystemTime::UNIX_EPOCH::elapsed", "clock", NOW),
    ("chrono::{Utc,Local}::{now,today}", "clock", NOW),
    ("chrono::offset::{Utc,Local}::{now,today}", "clock", NOW),
    ("chrono::prelude::{Utc,Local}::{now,today}", "clock", NOW),
    ("time::{OffsetDateTime,PrimitiveDateTime,UtcDateTime}::{now,now_utc,now_local}", "clock", NOW),
    ("time::Instant::{now,elapsed}", "clock", NOW),
    ("jiff::{Timestamp,Zoned}::now", "clock", NOW),
    ("tokio::time::Instant::{now,elapsed}", "clock", NOW),
    ("{quanta,coarsetime,minstant,web_time,instant}::**", "clock", NOW),
    ("uuid::Uuid::{new_v1,now_v1,new_v4,now_v6,now_v7}", "identity", UUID),
    ("ulid::Ulid::{new,generate}", "identity", UUID),
    ("ulid::Generator::{new,generate}", "identity", UUID),
    ("nanoid::{nanoid!,nanoid,format,simple}", "identity", UUID),
    ("{cuid,cuid2}::**", "identity", UUID),
    ("{ksuid,svix_ksuid,xid}::**", "identity", UUID),
    ("{bson,mongodb}::oid::ObjectId::new", "identity", UUID),
    ("mongodb::bson::oid::ObjectId::new", "identity", UUID),
    ("rand::{random,rng,thread_rng,random_*,fill}", "random", RNG),
    ("rand::prelude::{random,rng,thread_rng,random_*}", "random", RNG),
    ("rand::rngs::{OsRng,ThreadRng,SysRng}", "random", RNG),
    ("rand::rngs::{OsRng,ThreadRng,SysRng}::*", "random", RNG),
    ("rand::rngs::thread::**", "random", RNG),
    ("rand::{OsRng,ThreadRng}", "random", RNG),
    ("rand_core::{OsRng,SysRng}", "random", RNG),
    ("rand::**::{from_os_rng,from_entropy,try_from_os_rng}", "random", RNG),
    ("{rand_chacha,rand_pcg,rand_xoshiro,rand_xorshift}::**::{from_os_rng,from_entropy,try_from_os_rng}", "random", RNG),
    ("fastrand::Rng::{with_seed,fork}", "", ""),
    ("fastrand::**", "random", RNG),
    ("fastrand::Rng::{new,default}", "random", RNG),
    ("getrandom::**", "random", RNG),
    ("std::hash::RandomState::{new,default}", "random", RNG),
    ("std::collections::hash_map::RandomState::{new,default}", "random", RNG),
    ("ahash::RandomState::{new,default}", "random", RNG),
    ("std::thread::{sleep,sleep_ms,sleep_until}", "sleep", SLEEP),
    ("std::thread::{park*,yield_now}", "sleep", SLEEP),
    ("tokio::time::sleep*", "sleep", SLEEP),
    ("tokio::time::timeout*", "sleep", TIMEOUT),
    ("tokio::time::interval*", "sleep", EVERY),
    ("tokio::task::yield_now", "sleep", SLEEP),
    ("async_std::task::{sleep,yield_now}", "sleep", SLEEP),
    ("async_std::future::timeout", "sleep", TIMEOUT),
    ("{smol,async_io}::Timer::*", "sleep", SLEEP),
    ("futures_timer::Delay::new", "sleep", SLEEP),
    ("tokio::spawn", "spawn", CALL),
    ("tokio::{task,runtime}::**", "spawn", CALL),
    ("tokio::task::{JoinSet,LocalSet}::*", "spawn", CALL),
    ("std::thread::{spawn,scope}", "spawn", CALL),
    ("std::thread::Builder::*", "spawn", CALL),
    ("rayon::**", "spawn", CALL),
    ("{futures,futures_executor}::executor::**", "spawn", CALL),
    ("futures_executor::**", "spawn", CALL),
    ("async_std::task::**", "spawn", CALL),
    ("smol::{spawn,block_on,unblock}", "spawn", CALL),
    ("pollster::**", "spawn", CALL),
    ("crossbeam::{scope,thread::scope}", "spawn", CALL),
    ("tokio::select!", "race", "use `dacapo::select!`"),
    ("tokio::join!", "race", "use `dacapo::join!`"),
    ("tokio::try_join!", "race", "use `dacapo::try_join!`"),
    ("{futures,futures_util,futures_lite}::{select!,select_biased!,stream_select!}", "race", "use `dacapo::select!`"),
    ("std::fs::**", "io", ACTIVITY),
    ("std::net::{IpAddr,Ipv4Addr,Ipv6Addr,SocketAddr,SocketAddrV4,SocketAddrV6}::*", "", ""),
    ("std::net::**", "io", ACTIVITY),
    ("std::io::{stdin,stdout,stderr}", "io", ACTIVITY),
    ("std::os::**", "io", ACTIVITY),
    ("tokio::{fs,net,io,signal,process}::**", "io", ACTIVITY),
    ("{reqwest,hyper}::{StatusCode,Method,Version,Url,header}::**", "", ""),
    ("tonic::{Code,Status,Request,Response,metadata}::**", "", ""),
    ("{sqlx,tokio_postgres}::types::**", "", ""),
    ("mongodb::bson::**", "", ""),
    ("redis::{Value,ErrorKind}::**", "", ""),
    ("object_store::path::**", "", ""),
    ("aws_sdk_*::{types,primitives}::**", "", ""),
    (
        "{reqwest,ureq,isahc,surf,awc,hyper,hyper_util,tonic,sqlx,diesel,sea_orm,rusqlite,tokio_postgres,postgres,redis,mongodb,lapin,rdkafka,object_store,lettre,aws_config}::**",
        "io",
        ACTIVITY,
    ),
    ("{sqlx,diesel}::{query!,query_as!,query_scalar!,sql_query!}", "io", ACTIVITY),
    ("{aws_sdk_*,azure_*,google_cloud_*}::**", "io", ACTIVITY),
    ("std::env::{split_paths,join_paths}", "", ""),
    ("std::env::**", "environment", ARGUMENT),
    ("std::process::{exit,abort}", "environment", "return an `Err`: it ends the orchestration and is recorded"),
    ("std::process::**", "environment", ARGUMENT),
    ("std::thread::available_parallelism", "environment", ARGUMENT),
    ("{num_cpus,hostname,gethostname,whoami,sysinfo,dotenvy,dotenv}::**", "environment", ARGUMENT),
    (
        "std::collections::HashMap::{iter,iter_mut,keys,values,values_mut,drain,into_iter,into_keys,into_values,retain,extract_if}",
        "hash_order",
        ORDERED,
    ),
    (
        "std::collections::HashSet::{iter,drain,into_iter,retain,extract_if,union,intersection,difference,symmetric_difference}",
        "hash_order",
        ORDERED,
    ),
    (
        "{hashbrown,dashmap}::{HashMap,HashSet,DashMap,DashSet}::{iter,iter_mut,keys,values,values_mut,drain,into_iter,into_keys,into_values,retain}",
        "hash_order",
        ORDERED,
    ),
    ("std::thread_local!", "shared_state", STATE),
    ("thread_local!", "shared_state", STATE),
    ("{lazy_static::lazy_static!,lazy_static!}", "shared_state", STATE),
    ("std::sync::mpsc::**", "shared_state", STATE),
    ("tokio::sync::**", "shared_state", STATE),
    ("{futures,futures_channel}::channel::**", "shared_state", STATE),
    ("{flume,crossbeam_channel,async_channel,kanal}::**", "shared_state", STATE),
    ("crossbeam::channel::**", "shared_state", STATE),
    ("std::any::{type_name,type_name_of_val}", "address", VALUES),
    ("std::any::TypeId::of", "address", VALUES),
    ("std::thread::current", "address", "use `dacapo::instance_id()` to tell runs apart"),
    ("std::backtrace::Backtrace::{capture,force_capture}", "address", VALUES),
    ("std::panic::Location::caller", "address", VALUES),
    ("std::{rc::Rc,sync::Arc,rc::Weak,sync::Weak}::{ptr_eq,as_ptr,into_raw}", "address", VALUES),
    ("std::ptr::**", "address", VALUES),
];

/// Types that hold state in a static.
const STATEFUL: &[&str] = &[
    "std::sync::atomic::Atomic*",
    "std::sync::{Mutex,RwLock,OnceLock,LazyLock,Condvar,Barrier,Once}",
    "std::thread::LocalKey",
    "once_cell::{sync,unsync}::{Lazy,OnceCell}",
    "parking_lot::{Mutex,RwLock,ReentrantMutex,FairMutex}",
    "tokio::sync::**",
    "dashmap::{DashMap,DashSet}",
    "arc_swap::{ArcSwap,ArcSwapOption}",
];

struct Pattern {
    segments: Vec<&'static str>,
    refused: Refused,
}

static PATTERNS: LazyLock<HashMap<String, Vec<Pattern>>> = LazyLock::new(|| {
    let mut patterns: HashMap<String, Vec<Pattern>> = HashMap::new();
    for (text, rule, instead) in TABLE {
        let segments = split(text);
        for first in alternatives(segments[0]) {
            let key = if first.contains(['*', ':']) { first.split([':', '*']).next().unwrap_or(first) } else { first };
            patterns
                .entry(head(key))
                .or_default()
                .push(Pattern { segments: segments.clone(), refused: Refused { rule, instead } });
        }
    }
    patterns
});

static STATEFUL_TYPES: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| STATEFUL.iter().map(|text| split(text)).collect());

/// The key of a first segment: crates of a family (`aws_sdk_s3`) share theirs.
fn head(segment: &str) -> String {
    ["aws_sdk_", "azure_", "google_cloud_"]
        .iter()
        .find(|family| segment.starts_with(*family))
        .map_or(segment, |family| family)
        .to_owned()
}

/// The line that refuses `path`, if one does.
pub(crate) fn refused<S: AsRef<str>>(path: &[S]) -> Option<&'static Refused> {
    let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    let lines = PATTERNS.get(&head(path.first()?))?;
    let line = lines.iter().find(|line| fits(&line.segments, &path))?;
    (!line.refused.rule.is_empty()).then_some(&line.refused)
}

/// Whether the table spells out `path` or something below it, so that a glob import may be taken to bring it in.
pub(crate) fn spelled_out(path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let begins = |pattern: &[&'static str]| starts(pattern, &names);
    let in_table = path.first().and_then(|first| PATTERNS.get(&head(first)));
    in_table.is_some_and(|lines| lines.iter().any(|line| begins(&line.segments)))
        || STATEFUL_TYPES.iter().any(|pattern| begins(pattern))
}

/// Whether some path of `pattern`, without its wildcards, begins with `names`.
fn starts(pattern: &[&'static str], names: &[&str]) -> bool {
    let (Some(first), false) = (pattern.first(), names.is_empty()) else {
        return names.is_empty();
    };
    alternatives(first).into_iter().filter(|choice| *choice != "*" && *choice != "**").any(|choice| {
        let parts: Vec<&'static str> = choice.split("::").collect();
        let shared = parts.len().min(names.len());
        parts.iter().zip(names).all(|(part, name)| segment_fits(part, name)) && starts(&pattern[1..], &names[shared..])
    })
}

/// Whether a static of this type holds state.
pub(crate) fn holds_state(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    STATEFUL_TYPES.iter().any(|pattern| fits(pattern, &path))
}

/// Splits at `::` outside braces.
fn split(text: &'static str) -> Vec<&'static str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ':' if depth == 0 => {
                if at > start {
                    parts.push(&text[start..at]);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn alternatives(segment: &'static str) -> Vec<&'static str> {
    let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(segment);
    inner.split(',').collect()
}

fn fits(pattern: &[&'static str], path: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return path.is_empty();
    };
    if *first == "**" {
        // Below a module everything callable is refused; types, constants and variants are data.
        let callable = |name: &&&str| name.starts_with(|c: char| c.is_lowercase() || c == '_') || name.ends_with('!');
        if rest.is_empty() {
            return path.last().as_ref().is_some_and(callable);
        }
        return (0..path.len()).any(|skip| fits(rest, &path[skip..]));
    }
    alternatives(first).into_iter().any(|choice| {
        let parts: Vec<&'static str> = choice.split("::").collect();
        path.len() >= parts.len()
            && parts.iter().zip(path).all(|(part, name)| segment_fits(part, name))
            && fits(rest, &path[parts.len()..])
    })
}

fn segment_fits(part: &str, name: &str) -> bool {
    part.strip_suffix('*').map_or(part == name, |prefix| name.starts_with(prefix))
}

/// How a group of paths reads in a message, such as "reads a clock".
pub(crate) fn what(rule: &str) -> &'static str {
    match rule {
        "clock" => "reads a clock",
        "identity" => "draws a new identifier",
        "random" => "draws randomness from the system",
        "sleep" => "waits on a timer outside the history",
        "spawn" => "runs work beside the orchestrator",
        "race" => "polls its futures in an order of its own",
        "io" => "talks to the outside world",
        "environment" => "reads or changes the process and its machine",
        "hash_order" => "iterates in hash order",
        "shared_state" => "uses state outside the orchestration",
        "address" => "depends on addresses or on the build",
        _ => "is refused here",
    }
}
