//! The rules: what each refuses, why, what to write instead, and an example of both.
//!
//! The examples are whole source texts. `docs/rules.md`, the pages of `cargo dacapo explain` and tests are made from them.

/// One rule an orchestrator must keep.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name used in messages and in `#[orchestrator(allow(name, reason = ".."))]`.
    pub name: &'static str,
    /// What it refuses.
    pub refuses: &'static str,
    /// Why replay forbids it.
    pub why: &'static str,
    /// What to write instead.
    pub instead: &'static str,
    /// A source text with one orchestrator that is refused.
    pub bad: &'static str,
    /// The same orchestrator as it should be written.
    pub good: &'static str,
}

impl Rule {
    /// Whether it can be switched off. A function with a wrong signature could not be compiled, whatever its author knows.
    pub fn can_be_allowed(&self) -> bool {
        self.name != "signature"
    }
}

/// The rule called `name`.
pub fn rule_named(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// The rule called `name`, which must stand in the table.
pub(crate) fn known(name: &str) -> &'static Rule {
    rule_named(name).unwrap_or(&RULES[0])
}

/// Every rule, in the order of the documentation.
pub static RULES: &[Rule] = &[
    Rule {
        name: "clock",
        refuses: "reading a clock: `SystemTime::now`, `Instant::now`, `.elapsed()`, `Utc::now` and their like",
        why: "a replay reads another time than the first run did",
        instead: "take the time of the turn from `dacapo::now()`",
        bad: "use std::time::SystemTime;

#[orchestrator]
async fn stamp(name: String) -> dacapo::Result<String> {
    let at = SystemTime::now();
    Ok(format!(\"{name} at {at:?}\"))
}
",
        good: "#[orchestrator]
async fn stamp(name: String) -> dacapo::Result<String> {
    let at = dacapo::now();
    Ok(format!(\"{name} at {at:?}\"))
}
",
    },
    Rule {
        name: "identity",
        refuses: "drawing an identifier: `Uuid::new_v4`, `Ulid::new`, `nanoid!`, `ObjectId::new` and their like",
        why: "a replay draws another identifier than the first run did",
        instead: "draw it with `dacapo::new_uuid()`",
        bad: "use uuid::Uuid;

#[orchestrator]
async fn label(name: String) -> dacapo::Result<String> {
    Ok(format!(\"{name}-{}\", Uuid::new_v4()))
}
",
        good: "#[orchestrator]
async fn label(name: String) -> dacapo::Result<String> {
    Ok(format!(\"{name}-{}\", dacapo::new_uuid()))
}
",
    },
    Rule {
        name: "random",
        refuses: "randomness from the system: `rand::random`, `rand::rng`, `OsRng`, `fastrand`, `getrandom`, `RandomState::new`",
        why: "a replay draws other numbers than the first run did",
        instead: "draw from `dacapo::rng()`, or seed a generator from data",
        bad: "#[orchestrator]
async fn pick(names: Vec<String>) -> dacapo::Result<Option<String>> {
    let index = fastrand::usize(..names.len());
    Ok(names.get(index).cloned())
}
",
        good: "use rand::RngExt as _;

#[orchestrator]
async fn pick(names: Vec<String>) -> dacapo::Result<Option<String>> {
    let index = dacapo::rng().random_range(0..names.len().max(1));
    Ok(names.get(index).cloned())
}
",
    },
    Rule {
        name: "sleep",
        refuses: "timers outside the history: `std::thread::sleep`, `tokio::time::{sleep, timeout, interval}` and their like",
        why: "such a timer is not in the history: it is lost in a crash and waited for again in every replay",
        instead: "wait with `dacapo::sleep`, limit with `dacapo::timeout`",
        bad: "use std::time::Duration;

#[orchestrator]
async fn remind(name: String) -> dacapo::Result<String> {
    std::thread::sleep(Duration::from_secs(60));
    Ok(name)
}
",
        good: "use std::time::Duration;

#[orchestrator]
async fn remind(name: String) -> dacapo::Result<String> {
    dacapo::sleep(Duration::from_secs(60)).await;
    Ok(name)
}
",
    },
    Rule {
        name: "spawn",
        refuses: "tasks and threads of its own: `tokio::spawn`, `JoinSet`, `std::thread::spawn`, `rayon`, `block_on`",
        why: "what runs beside the orchestrator is not in the history and finishes in another order in a replay",
        instead: "call an activity; run several with `join_all`, start one early with `.start()`",
        bad: "#[activity]
async fn greet(name: String) -> dacapo::Result<String> {
    Ok(name)
}

#[orchestrator]
async fn welcome(name: String) -> dacapo::Result<()> {
    std::thread::spawn(move || println!(\"{name}\"));
    Ok(())
}
",
        good: "#[activity]
async fn greet(name: String) -> dacapo::Result<String> {
    Ok(name)
}

#[orchestrator]
async fn welcome(name: String) -> dacapo::Result<()> {
    greet(name).await?;
    Ok(())
}
",
    },
    Rule {
        name: "race",
        refuses: "`tokio::{select!, join!, try_join!}` and `futures::{select!, select_biased!, stream_select!}`",
        why: "they poll in random or rotating order, so a replay can decide a race differently",
        instead: "use `dacapo::select!`, `dacapo::join!`, `dacapo::try_join!`",
        bad: "#[activity]
async fn price(shop: String) -> u64 {
    shop.len() as u64
}

#[orchestrator]
async fn both(first: String, second: String) -> u64 {
    let (a, b) = tokio::join!(price(first), price(second));
    a + b
}
",
        good: "#[activity]
async fn price(shop: String) -> u64 {
    shop.len() as u64
}

#[orchestrator]
async fn both(first: String, second: String) -> u64 {
    let (a, b) = dacapo::join!(price(first), price(second));
    a + b
}
",
    },
    Rule {
        name: "io",
        refuses: "input and output: files, sockets, standard streams, HTTP clients, databases, queues, cloud clients",
        why: "the outside world has changed by the time of a replay, and an effect would happen again",
        instead: "do it in an `#[activity]`",
        bad: "#[orchestrator]
async fn load(path: String) -> dacapo::Result<String> {
    Ok(std::fs::read_to_string(path)?)
}
",
        good: "#[activity]
async fn read(path: String) -> dacapo::Result<String> {
    Ok(std::fs::read_to_string(path)?)
}

#[orchestrator]
async fn load(path: String) -> dacapo::Result<String> {
    read(path).await
}
",
    },
    Rule {
        name: "environment",
        refuses: "the process and its machine: `std::env`, `std::process`, `available_parallelism`, `hostname` and their like",
        why: "a replay can run in another process, on another machine, with other settings",
        instead: "pass the value as an argument, or read it in an `#[activity]`",
        bad: "#[orchestrator]
async fn region(name: String) -> dacapo::Result<String> {
    let region = std::env::var(\"REGION\").unwrap_or_default();
    Ok(format!(\"{name} in {region}\"))
}
",
        good: "#[orchestrator]
async fn region(name: String, region: String) -> dacapo::Result<String> {
    Ok(format!(\"{name} in {region}\"))
}
",
    },
    Rule {
        name: "hash_order",
        refuses: "iterating a `HashMap`, `HashSet`, `DashMap` or `hashbrown` collection, making a text of it, or giving a set to a call; \
                  look-ups are fine, and so is what comes to the same in any order",
        why: "its order differs from process to process, and so do the calls, texts and sums that are made from it",
        instead: "use a `BTreeMap` or an `IndexMap`, or collect and sort first",
        bad: "use std::collections::HashMap;

#[orchestrator]
async fn names(ages: HashMap<String, u32>) -> dacapo::Result<Vec<String>> {
    let mut names = Vec::new();
    for (name, _) in ages {
        names.push(name);
    }
    Ok(names)
}
",
        good: "use std::collections::BTreeMap;

#[orchestrator]
async fn names(ages: BTreeMap<String, u32>) -> dacapo::Result<Vec<String>> {
    let mut names = Vec::new();
    for (name, _) in ages {
        names.push(name);
    }
    Ok(names)
}
",
    },
    Rule {
        name: "shared_state",
        refuses: "state outside the orchestration: `static mut`, atomics and locks in statics, thread-locals, lazy statics, channels",
        why: "it is neither in the history nor the same in the process that replays",
        instead: "pass it as an argument, or receive it as an event",
        bad: "use std::sync::atomic::{AtomicU64, Ordering};

static RUNS: AtomicU64 = AtomicU64::new(0);

#[orchestrator]
async fn count(name: String) -> dacapo::Result<String> {
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    Ok(format!(\"{name} {run}\"))
}
",
        good: "#[orchestrator]
async fn count(name: String, run: u64) -> dacapo::Result<String> {
    Ok(format!(\"{name} {run}\"))
}
",
    },
    Rule {
        name: "address",
        refuses: "addresses and the program's own shape: `unsafe`, `{:p}`, raw pointers, `ptr_eq`, `type_name`, `thread::current`",
        why: "they differ from process to process and from build to build",
        instead: "compare and show the values themselves",
        bad: "#[orchestrator]
async fn show(name: String) -> dacapo::Result<String> {
    Ok(format!(\"{:p}\", &name))
}
",
        good: "#[orchestrator]
async fn show(name: String) -> dacapo::Result<String> {
    Ok(format!(\"{name}\"))
}
",
    },
    Rule {
        name: "unchecked_macro",
        refuses: "a macro whose arguments cannot be read and hold `.await` or a refused path",
        why: "what a macro makes of its tokens cannot be checked or recorded",
        instead: "bind the value with `let` first and pass the name",
        bad: "#[activity]
async fn price(shop: String) -> dacapo::Result<u64> {
    Ok(shop.len() as u64)
}

macro_rules! double {
    ($value:expr) => { $value * 2 };
}

#[orchestrator]
async fn twice(shop: String) -> dacapo::Result<u64> {
    Ok(double!(price(shop).await?))
}
",
        good: "#[activity]
async fn price(shop: String) -> dacapo::Result<u64> {
    Ok(shop.len() as u64)
}

macro_rules! double {
    ($value:expr) => { $value * 2 };
}

#[orchestrator]
async fn twice(shop: String) -> dacapo::Result<u64> {
    let price = price(shop).await?;
    Ok(double!(price))
}
",
    },
    Rule {
        name: "await_in_loop",
        refuses: "awaiting independent calls one after another, in a loop or in the steps of a stream",
        why: "each iteration waits for the one before although nothing flows from it: the total is the sum of all, not the slowest",
        instead: "`join_all` or `try_join_all`, `dacapo::fan_out(..).limit(n)`, or `#[sequential]` on the loop if the order is meant",
        bad: "#[activity]
async fn process(item: String) -> dacapo::Result<u64> {
    Ok(item.len() as u64)
}

#[orchestrator]
async fn batch(items: Vec<String>) -> dacapo::Result<Vec<u64>> {
    let mut results = Vec::new();
    for item in items {
        results.push(process(item).await?);
    }
    Ok(results)
}
",
        good: "use futures::future::try_join_all;

#[activity]
async fn process(item: String) -> dacapo::Result<u64> {
    Ok(item.len() as u64)
}

#[orchestrator]
async fn batch(items: Vec<String>) -> dacapo::Result<Vec<u64>> {
    let results = try_join_all(items.into_iter().map(process)).await?;
    Ok(results)
}
",
    },
    Rule {
        name: "await_one_by_one",
        refuses: "building several calls first and then awaiting them one after another",
        why: "a call is lazy: it starts when it is awaited, so the second starts only after the first is done",
        instead: "`dacapo::join!(a, b)`, or `.start()` on each call",
        bad: "#[activity]
async fn price(shop: String) -> dacapo::Result<u64> {
    Ok(shop.len() as u64)
}

#[orchestrator]
async fn both(first: String, second: String) -> dacapo::Result<u64> {
    let a = price(first);
    let b = price(second);
    let a = a.await?;
    let b = b.await?;
    Ok(a + b)
}
",
        good: "#[activity]
async fn price(shop: String) -> dacapo::Result<u64> {
    Ok(shop.len() as u64)
}

#[orchestrator]
async fn both(first: String, second: String) -> dacapo::Result<u64> {
    let a = price(first).start();
    let b = price(second).start();
    let a = a.await?;
    let b = b.await?;
    Ok(a + b)
}
",
    },
    Rule {
        name: "unbounded_loop",
        refuses: "a `loop` or `while true` that makes durable calls and never ends",
        why: "every call is kept in the history, so the history grows without end and each replay gets slower",
        instead: "write one round, and `dacapo::continue_as_new(..).await` at its end, which starts the next one with an empty history; \
                  or give the loop an end: a `break`, a `return` or a `?` under a condition",
        bad: "use std::time::Duration;

#[activity]
async fn probe(host: String) -> bool {
    !host.is_empty()
}

#[orchestrator]
async fn watch(host: String) -> dacapo::Result<()> {
    loop {
        probe(host.clone()).await;
        dacapo::sleep(Duration::from_secs(60)).await;
    }
}
",
        good: "use std::time::Duration;

#[activity]
async fn probe(host: String) -> bool {
    !host.is_empty()
}

#[orchestrator]
async fn watch(host: String) -> dacapo::Result<()> {
    probe(host.clone()).await;
    dacapo::sleep(Duration::from_secs(60)).await;
    dacapo::continue_as_new(watch(host)).await
}
",
    },
    Rule {
        name: "unused_call",
        refuses: "a durable call, an operation of an entity, a `dacapo::lock` or a `.start()`ed handle that is never awaited: dropped, bound to a name, or kept in a collection, a box or an async block",
        why: "a call is lazy: without `.await` it never runs",
        instead: "`.await` it, or `.detach()` a sub-orchestration that nobody waits for",
        bad: "#[activity]
async fn notify(name: String) -> dacapo::Result<()> {
    drop(name);
    Ok(())
}

#[orchestrator]
async fn finish(name: String) -> dacapo::Result<()> {
    let _ = notify(name);
    Ok(())
}
",
        good: "#[activity]
async fn notify(name: String) -> dacapo::Result<()> {
    drop(name);
    Ok(())
}

#[orchestrator]
async fn finish(name: String) -> dacapo::Result<()> {
    notify(name).await?;
    Ok(())
}
",
    },
    Rule {
        name: "signature",
        refuses: "`self`, generics, lifetimes, `impl Trait`, references, `Option<Option<T>>`, `Option<()>`, variadics, `extern`, and an orchestrator that is not `async`",
        why: "a durable function is found by its name and its arguments are stored as values",
        instead: "a free `async fn` with owned types: `String` for `&str`, `Vec<T>` for `&[T]`",
        bad: "#[orchestrator]
async fn greet(name: &str) -> dacapo::Result<String> {
    Ok(name.to_owned())
}
",
        good: "#[orchestrator]
async fn greet(name: String) -> dacapo::Result<String> {
    Ok(name)
}
",
    },
];
