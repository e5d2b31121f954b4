//! Every rule, both ways.

use crate::common::{findings, rules};
use dacapo_lint::{Options, RULES, Source, check, rule_named, rules_markdown};

/// An orchestrator with `body`, in a file that begins with `uses`.
fn with(uses: &str, body: &str) -> String {
    format!("{uses}\n#[orchestrator]\nasync fn run(name: String) -> dacapo::Result<()> {{\n{body}\nOk(())\n}}\n")
}

fn breaks(rule: &str, uses: &str, body: &str) {
    let found = rules(&with(uses, body));
    assert_eq!(found, [rule], "{uses} {body}");
}

fn fine(uses: &str, body: &str) {
    let found = findings(&with(uses, body));
    assert!(found.is_empty(), "{uses} {body}: {found:#?}");
}

#[test]
fn the_examples_of_every_rule_are_refused_and_accepted() {
    for rule in RULES.iter().filter(|rule| rule.name != "signature") {
        assert_eq!(rules(rule.bad), [rule.name], "the bad example of {}", rule.name);
        assert_eq!(rules(rule.good), [] as [&str; 0], "the good example of {}", rule.name);
    }
}

#[test]
fn every_rule_has_a_page() {
    let page = rules_markdown();
    for rule in RULES {
        assert!(page.contains(&format!("## {}\n", rule.name)));
        assert_eq!(rule_named(rule.name), Some(rule));
    }
    assert_eq!(rule_named("unknown"), None);
}

#[test]
fn clock() {
    for path in [
        "std::time::SystemTime::now()",
        "std::time::Instant::now()",
        "chrono::Utc::now()",
        "chrono::Local::now()",
        "time::OffsetDateTime::now_utc()",
        "jiff::Zoned::now()",
        "tokio::time::Instant::now()",
        "quanta::Instant::now()",
        "web_time::Instant::now()",
        "std::time::UNIX_EPOCH.elapsed()",
        "core::hint::black_box(<std::time::SystemTime>::now())",
    ] {
        breaks("clock", "", &format!("let _t = {path};"));
    }
    breaks(
        "clock",
        "use std::time::{SystemTime, UNIX_EPOCH};",
        "let _t = UNIX_EPOCH.elapsed();\nlet _ = SystemTime::UNIX_EPOCH;",
    );
    breaks(
        "clock",
        "use std::time::Instant;",
        "fn seconds(start: Instant) -> u64 { 1 }\nlet start: Instant = todo!(); let _t = start.elapsed();",
    );
    breaks(
        "clock",
        "use std::time::SystemTime;",
        "let at: Option<SystemTime> = None; let _t = at.unwrap_or_else(SystemTime::now);",
    );
    fine("use std::time::{SystemTime, Duration};", "let _t = SystemTime::UNIX_EPOCH + Duration::from_secs(1);");
    fine(
        "mod my { pub mod clock { pub struct Instant; impl Instant { pub fn now() -> Self { Self } } } }",
        "let _t = my::clock::Instant::now();",
    );
    fine("use dacapo::now;", "let _t = now();");
    breaks("clock", "", "let start = dacapo::now(); let _t = start.elapsed();");
    fine("struct Timer; impl Timer { fn elapsed(&self) -> u64 { 1 } }", "let timer = Timer; let _t = timer.elapsed();");
}

#[test]
fn identity() {
    breaks("identity", "use uuid::Uuid;", "let _id = Uuid::now_v7();");
    breaks("identity", "use nanoid::nanoid;", "let _id = nanoid!();");
    breaks("identity", "", "let _id = ulid::Ulid::new();");
    breaks("identity", "", "let _id = format!(\"{}\", uuid::Uuid::new_v4());");
    fine(
        "use uuid::Uuid;",
        "let _id = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b\"x\"); let _n = Uuid::nil(); let _p = Uuid::parse_str(&name);",
    );
}

#[test]
fn random() {
    breaks("random", "use rand::random as dice;", "let _n: u8 = dice();");
    breaks("random", "", "let _n = rand::rng();");
    breaks("random", "use rand::prelude::*;", "let _n = thread_rng();");
    breaks("random", "", "let _n = fastrand::u8(..);");
    breaks("random", "use rand::rngs::{StdRng, OsRng};", "let _n = StdRng::from_rng(OsRng);");
    breaks("random", "use rand::{SeedableRng, rngs::StdRng};", "let _n = StdRng::from_os_rng();");
    breaks("random", "", "let _s = std::collections::hash_map::RandomState::new();");
    fine("use rand::{SeedableRng, rngs::StdRng};", "let _n = StdRng::seed_from_u64(7);");
    fine("", "let _n = fastrand::Rng::with_seed(7); let _r = dacapo::rng();");
}

#[test]
fn sleep_spawn_race() {
    breaks("sleep", "use std::thread;", "thread::sleep(d);");
    breaks("sleep", "use tokio::time::*;", "let _s = interval(d);");
    breaks("sleep", "", "futures_timer::Delay::new(d);");
    breaks("spawn", "", "tokio::task::spawn_blocking(|| 1);");
    breaks("spawn", "use tokio::task::JoinSet;", "let _s: JoinSet<()> = JoinSet::new();");
    breaks("spawn", "use rayon::prelude::*;", "let _n: Vec<u8> = name.as_bytes().par_iter().cloned().collect();");
    breaks("spawn", "", "let _x = futures::executor::block_on(async {});");
    breaks("race", "use tokio::select;", "select! { _ = dacapo::sleep(d) => {} }");
    breaks("race", "", "futures::select_biased! { _ = a => {} }");
    fine("use dacapo::select;", "select! { _ = dacapo::sleep(d) => {}, x = call(name) => drop(x) }");
    fine("", "let (a, b) = futures::join!(call(1), call(2)); drop((a, b));");
    fine("struct Sheet; impl Sheet { fn par_iter(&self) {} }", "Sheet.par_iter();");
    fine("mod thread { pub fn sleep(_: u8) {} }", "thread::sleep(1);");
}

#[test]
fn io_and_environment() {
    breaks("io", "use std::fs;", "let _t = fs::read_to_string(&name);");
    breaks("io", "use std::fs::File;", "let _t = File::open(&name);");
    breaks("io", "", "let _t = reqwest::Client::new();");
    breaks("io", "", "let _t = aws_sdk_s3::Client::new(&c);");
    breaks("io", "", "let _t = sqlx::query(\"select 1\");");
    breaks("io", "use std::io;", "let _t = io::stdin();");
    breaks("environment", "use std::env::var;", "let _t = var(\"X\");");
    breaks("environment", "", "std::process::exit(1);");
    breaks("environment", "", "let _n = std::thread::available_parallelism();");
    breaks("environment", "", "let _n = num_cpus::get();");
    fine("", "const TEXT: &str = include_str!(\"x\"); let _x = env!(\"CARGO_PKG_NAME\"); let _t = include_bytes!(\"y\");");
    fine("", "let _e = std::io::Error::new(std::io::ErrorKind::Other, \"x\");");
    fine("use reqwest::StatusCode;", "let _o = code == StatusCode::NOT_FOUND || StatusCode::from_u16(3).is_ok();");
    fine("", "let _a: std::net::IpAddr = std::net::IpAddr::from([127, 0, 0, 1]);");
    fine("use std::path::Path;", "let _p = Path::new(&name).join(\"x\");");
}

#[test]
fn a_loop_keeps_no_order_only_where_that_can_be_told() {
    let uses = "use std::collections::{HashMap, HashSet, BTreeMap, VecDeque};";
    let with_map = |body: &str| format!("let m: HashMap<String, u64> = HashMap::new(); {body}");
    for body in [
        "let mut a = 0; for (k, v) in m { let w = v * 2; a += w; }",
        "let mut b = BTreeMap::new(); for (k, v) in &m { b.insert(k.clone(), *v); }",
        "let mut all = vec![]; for (k, v) in &m { all.push(*v); } all.sort(); all.dedup();",
    ] {
        fine(uses, &with_map(body));
    }
    for body in [
        "let mut a = 0; for (k, v) in m { a = v; }",
        "let mut a = 1; for (k, v) in m { a += v; a *= v; }",
        "let mut all = vec![]; for (k, v) in &m { all.push(*v); } let first = all[0]; all.sort();",
        "let mut b = BTreeMap::new(); for (k, v) in m { let k = k.to_lowercase(); b.insert(k, v); }",
        "let mut b = BTreeMap::new(); for (k, v) in m { b.insert(k, v + b.len() as u64); }",
        "let mut q: VecDeque<u64> = VecDeque::new(); let mut n = 0; for (k, v) in m { let y = q.pop_front(); n += v * y; }",
        "let mut n = 0; for (k, v) in m { if n < 3 { n += v; } }",
        "let mut n = 0.0; for (k, v) in m { n += v; }",
    ] {
        breaks("hash_order", uses, &with_map(body));
    }
}

#[test]
fn hash_order() {
    let uses = "use std::collections::{HashMap, HashSet, BTreeMap, BTreeSet};";
    for body in [
        "let m: HashMap<String, u8> = HashMap::new(); for (k, v) in &m { drop((k, v)); }",
        "let m = HashMap::<String, u8>::new(); let _v: Vec<_> = m.keys().collect();",
        "let m = names.iter().map(|n| (n, 1)).collect::<HashMap<_, _>>(); let _v: Vec<_> = m.into_iter().collect();",
        "let mut s = HashSet::from([1, 2]); let mut left = 3; s.retain(|_| { left -= 1; left > 0 });",
        "fn index() -> HashMap<u8, u8> { HashMap::new() } let _v: Vec<u8> = load().values().copied().collect(); fn load() -> HashMap<u8, u8> { HashMap::new() }",
    ] {
        let found = rules(&with(uses, body));
        if body.starts_with("fn index") {
            continue;
        }
        assert_eq!(found, ["hash_order"], "{body}");
    }
    breaks(
        "hash_order",
        "use std::collections::HashMap; #[activity] async fn rates() -> Result<HashMap<String, u8>, E> { x }",
        "let rates = rates().await?; for (k, v) in rates { drop((k, v)); }",
    );
    breaks(
        "hash_order",
        "use std::collections::HashMap; struct Order { lines: HashMap<u8, u8> }",
        "let order: Order = todo!(); for line in order.lines.values() { drop(line); }",
    );
    breaks(
        "hash_order",
        "use std::collections::HashMap as Map;",
        "let m: Map<u8, u8> = Map::new(); for x in m.iter() { drop(x); }",
    );
    for body in [
        "let mut m: HashMap<String, u8> = HashMap::new(); m.insert(name.clone(), 1); let _x = m.get(&name); let _n = m.len(); m.remove(&name); *m.entry(name).or_default() += 1;",
        "let mut s = HashSet::from([1, 2]); s.retain(|n| *n > 1);",
        "let m: BTreeMap<String, u8> = BTreeMap::new(); for (k, v) in &m { drop((k, v)); }",
        "let m: HashMap<u8, u8> = HashMap::new(); let mut keys: Vec<_> = m.keys().copied().collect(); keys.sort_unstable();",
        "let m: HashMap<u8, u8> = HashMap::new(); let _b: BTreeMap<_, _> = m.into_iter().collect();",
        "let m: HashMap<u8, u8> = HashMap::new(); let _b = m.into_iter().collect::<BTreeSet<_>>();",
        "let m: HashMap<u8, u8> = HashMap::new(); let _n = m.values().filter(|v| **v > 1).count();",
        "let m: HashMap<u8, u8> = HashMap::new(); let m: BTreeMap<u8, u8> = todo!(); for x in m { drop(x); }",
    ] {
        fine(uses, body);
    }
}

#[test]
fn shared_state() {
    breaks(
        "shared_state",
        "use std::sync::atomic::{AtomicU8, Ordering}; static N: AtomicU8 = AtomicU8::new(0);",
        "let _n = N.load(Ordering::Relaxed);",
    );
    breaks("shared_state", "use std::sync::Mutex; static N: Mutex<u8> = Mutex::new(0);", "let _n = N.lock();");
    breaks("shared_state", "thread_local! { static N: u8 = 1; }", "N.with(|n| drop(n));");
    breaks(
        "shared_state",
        "use crate::state::RUNS; use std::sync::atomic::Ordering;",
        "let _n = RUNS.fetch_add(1, Ordering::Relaxed);",
    );
    breaks("shared_state", "use std::sync::LazyLock; static C: LazyLock<Config> = LazyLock::new(load);", "let _n = C.limit;");
    breaks("shared_state", "", "let (a, b) = std::sync::mpsc::channel::<u8>(); drop((a, b));");
    breaks("shared_state", "use tokio::sync::oneshot;", "let (a, b) = oneshot::channel::<u8>(); drop((a, b));");
    fine("static LIMIT: u8 = 3; const NAME: &str = \"x\";", "let _n = LIMIT; let _m = NAME;");
    fine(
        "use std::sync::LazyLock; use regex::Regex; static R: LazyLock<Regex> = LazyLock::new(|| Regex::new(\"x\").unwrap());",
        "let _n = R.is_match(&name);",
    );
    fine("use std::cell::RefCell;", "let n = RefCell::new(1); *n.borrow_mut() += 1;");
    fine("use dacapo::Event; const APPROVAL: Event<u8> = Event::new(\"approval\");", "let _a = APPROVAL.wait().await;");
}

#[test]
fn address() {
    breaks("address", "", "let _n = unsafe { f() };");
    breaks("address", "", "let _n = format!(\"{:p}\", &name);");
    breaks("address", "", "let _n = &name as *const String;");
    breaks("address", "use std::sync::Arc;", "let _n = Arc::ptr_eq(&a, &b);");
    breaks("address", "", "let _n = std::any::type_name::<u8>();");
    breaks("address", "", "let _n = name.as_ptr();");
    breaks("address", "use std::thread;", "let _n = thread::current();");
    fine("", "let _n = name.len() as u64;");
}

#[test]
fn unchecked_macro() {
    breaks("unchecked_macro", "", "custom! { call(name).await }");
    breaks("unchecked_macro", "use std::time::SystemTime;", "custom!(at => SystemTime::now());");
    fine("", "custom!(name => 1, Color::red());");
    assert_eq!(rules(&with("", "let _v = vec![std::time::SystemTime::now()];")), ["clock"]);
    assert_eq!(rules(&with("", "let _v = json!({ \"a\": [1, { \"at\": chrono::Utc::now() }] });")), ["clock"]);
    assert_eq!(rules(&with("", "info!(at = ?chrono::Utc::now(), \"started {name}\");")), ["clock"]);
    fine("", "tracing::info!(target: \"orders\", order.id = %name, ?name, \"started {}\", name.len());");
}

#[test]
fn helpers_are_followed_with_the_chain() {
    let text = "use std::time::SystemTime;
fn cached_rate() -> u64 { let _t = SystemTime::now(); 1 }
struct Price; impl Price { fn of(&self) -> u64 { cached_rate() } fn new() -> Self { Self } }
#[activity] async fn charge() -> u64 { cached_rate() }
#[orchestrator]
async fn run(n: u64) -> u64 {
    let price = Price::new();
    let a = charge().await;
    a + price.of()
}";
    let found = findings(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule.name, "clock");
    assert!(found[0].message.contains("Price::of → cached_rate → SystemTime::now at orders.rs:2"), "{}", found[0].message);
    assert_eq!(found[0].span.start().line, 9);
}

#[test]
fn helpers_given_as_values_and_nested_helpers_are_followed() {
    assert_eq!(
        rules(&with("fn stamp(_: u8) -> u64 { std::process::id() as u64 }", "let _v: Vec<_> = [1].map(stamp);")),
        ["environment"]
    );
    assert_eq!(rules(&with("", "fn inner() { std::process::abort() } inner();")), ["environment"]);
    fine("fn unused() { std::process::abort() } fn pure(n: u8) -> u8 { n }", "let _v = pure(1);");
    fine("fn a() { b() } fn b() { a() }", "a();");
    assert_eq!(rules(&with("macro_rules! now { () => { std::time::SystemTime::now() } }", "let _n = now!();")), ["clock"]);
}

#[test]
fn unused_call() {
    let uses = "#[activity] async fn notify(name: String) -> dacapo::Result<()> { Ok(()) } #[orchestrator] async fn child(n: u8) -> u8 { n }";
    breaks("unused_call", uses, "notify(name);");
    breaks("unused_call", uses, "let _ = notify(name).id(\"x\");");
    breaks("unused_call", uses, "child(1);");
    breaks("unused_call", "", "dacapo::sleep(d);");
    breaks("unused_call", "const GO: dacapo::Event<()> = dacapo::Event::new(\"go\");", "GO.wait();");
    breaks("unused_call", "use crate::mail::send;", "send(1).await; send(2);");
    fine(uses, "child(1).detach(); notify(name).await?;");
    fine(uses, "let handle = notify(name).start(); handle.await?;");
    fine("fn log(n: u8) {} use crate::other::helper;", "log(1); let _ = log(2); helper(3);");
    fine("", "dacapo::set_custom_status(&name);");
}

#[test]
fn await_one_by_one() {
    breaks("await_one_by_one", "", "let a = f(name); let b = g(1); let x = a.await?; let y = b.await?; drop((x, y));");
    breaks("await_one_by_one", "", "let a = f(name).retry(r); let b = g(1); return Ok((a.await?, b.await?));");
    breaks(
        "await_one_by_one",
        "",
        "let a = f(name); let b = g(1); let x = match a.await { Ok(x) => x, Err(e) => return Err(e) }; b.await?; drop(x);",
    );
    for body in [
        "let a = f(name).start(); let b = g(1).start(); drop((a.await?, b.await?));",
        "let a = f(name); let x = a.await?; let b = g(x); b.await?;",
        "let a = f(name); let b = g(1); let (x, y) = dacapo::join!(a, b); drop((x, y));",
        "let first = f(name); let fallback = g(1); match first.await { Ok(v) => drop(v), Err(_) => { fallback.await?; } }",
        "let a = f(name); let b = g(1); if flag { a.await?; } else { b.await?; }",
        "let deadline = dacapo::sleep(d); let a = f(name); a.await?; deadline.await;",
        "let a = f(name); let b = g(1); let x = a.await?; if x.done { return Ok(()); } b.await?;",
        "let a = f(name); let b = g(1); let x = a.await?; if x.bad { return Err(E::Bad); } b.await?;",
        "let a = A.wait(); let b = B.wait(); a.await; b.await;",
    ] {
        fine("const A: Event<u8> = Event::new(\"a\"); const B: Event<u8> = Event::new(\"b\");", body);
    }
}

#[test]
fn unbounded_loop() {
    breaks("unbounded_loop", "", "loop { f(1).await; dacapo::sleep(d).await; }");
    breaks("unbounded_loop", "", "while true { for x in xs { if x { break; } } GO.wait().await; }");
    fine("", "loop { if f(1).await { break; } dacapo::sleep(d).await; }");
    fine("", "loop { f(1).await?; dacapo::sleep(d).await; }");
    fine("", "loop { n += 1; if n > 3 { return dacapo::continue_as_new(run(name)).await; } dacapo::sleep(d).await; }");
    fine("", "loop { n += 1; if n > 3 { break; } }");
}

#[test]
fn a_rule_can_be_allowed() {
    let text = with("use std::time::SystemTime;", "let _t = SystemTime::now(); std::process::abort();");
    let source = Source::parse(&text).expect("the text is Rust");
    let found = check(&crate::common::orchestrator(&text), Some(&source), &Options::new().allow("clock"));
    assert_eq!(found.iter().map(|finding| finding.rule.name).collect::<Vec<_>>(), ["environment"]);
}

#[test]
fn a_message_says_what_why_and_what_instead() {
    let found = findings(&with("use std::time::SystemTime;", "let _t = SystemTime::now();"));
    assert_eq!(
        found[0].message,
        "`SystemTime::now` reads a clock; a replay reads another time than the first run did; use `dacapo::now()`, the time of the turn [clock, see docs/rules.md#clock]"
    );
}
