//! The functions whose runs the golden files hold. What a set was written by is never changed: a later set may add to it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo::{Builder, Codec, Event, Failure, Payload, Payloads, Retry, activity, entity, fan_out, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

pub(crate) const GO: Event<u32> = Event::new("go");
pub(crate) const WORD: Event<String> = Event::new("word");

/// How long what is to be due after the set was written takes.
pub(crate) const LATER: Duration = Duration::from_secs(100);
/// What is not due while anybody tests.
pub(crate) const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Whether the set is being written, or read later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    Written,
    Read,
}

fn is_later() -> bool {
    *dacapo::state::<Time>() == Time::Read
}

/// Whether the process is of a build in which `drifts` does something else.
fn has_drifted() -> bool {
    std::env::var_os("DACAPO_GOLDEN_DRIFTED").is_some()
}

pub(crate) fn builder(url: &str, time: Time, codec: Option<u8>) -> Builder {
    dacapo::Runtime::builder(url).state(time).payloads(payloads(codec)).grace_period(Duration::ZERO).verify(false)
}

/// Stores what is longer than 600 bytes out of line, so that the files stay small.
pub(crate) fn payloads(codec: Option<u8>) -> Payloads {
    let payloads = Payloads::default().out_of_line_above(600);
    match codec {
        Some(key) => payloads.codec(Shift(key)),
        None => payloads,
    }
}

/// Adds a key to every byte, after a mark by which it knows its own.
pub(crate) struct Shift(pub(crate) u8);

impl Codec for Shift {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        std::iter::once(self.0).chain(plain.iter().map(|byte| byte.wrapping_add(self.0))).collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        match encoded.split_first() {
            Some((mark, rest)) if *mark == self.0 => Ok(rest.iter().map(|byte| byte.wrapping_sub(self.0)).collect()),
            _ => Err("another key".into()),
        }
    }
}

pub(crate) fn large() -> String {
    "large ".repeat(200)
}

#[activity]
pub(crate) async fn double(n: u32) -> u32 {
    2 * n
}

#[activity]
pub(crate) async fn echo(text: String) -> String {
    text
}

/// Never ends while the set is written, and says how far it is; later it tells where it goes on.
#[activity]
pub(crate) async fn hangs(n: u32) -> u32 {
    if is_later() {
        return n + dacapo::activity::last_heartbeat::<u32>().unwrap_or(0);
    }
    dacapo::activity::heartbeat(&(10 * n));
    std::future::pending().await
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum BadItem {
    Broken(u32),
    Engine(String),
}

impl std::fmt::Display for BadItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(n) => write!(f, "item {n} is broken"),
            Self::Engine(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for BadItem {}

impl From<Failure> for BadItem {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure.to_string())
    }
}

/// Fails for 13 while the set is written, and once for 14.
#[activity]
pub(crate) async fn item(n: u32) -> Result<u32, BadItem> {
    static FAILED: AtomicBool = AtomicBool::new(false);
    let fails = n == 13 && !is_later() || n == 14 && !FAILED.swap(true, Ordering::SeqCst);
    if fails { Err(BadItem::Broken(n)) } else { Ok(n) }
}

/// Fails in its first attempt, and is tried again after the set was written.
#[activity(retry = Retry::fixed(LATER).max_attempts(2))]
pub(crate) async fn flaky() -> Result<u32, BadItem> {
    let attempt = dacapo::activity::attempt();
    if attempt == 1 { Err(BadItem::Broken(1)) } else { Ok(attempt) }
}

/// Fails with a cause.
#[activity]
pub(crate) async fn opens(path: String) -> dacapo::Result<u32> {
    let error = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
    Err(dacapo::Error::from(Unopened { path, error }))
}

#[derive(Debug)]
struct Unopened {
    path: String,
    error: std::io::Error,
}

impl std::fmt::Display for Unopened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not open `{}`", self.path)
    }
}

impl std::error::Error for Unopened {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) doubled: Vec<u32>,
    pub(crate) child: u32,
    pub(crate) drawn: u32,
    pub(crate) uuid: String,
    pub(crate) now: u64,
}

#[orchestrator]
pub(crate) async fn child(n: u32) -> u32 {
    double(n).await + 1
}

/// Something of everything, to its end.
#[orchestrator]
pub(crate) async fn finishes(items: Vec<u32>) -> Finished {
    let doubled = join_all(items.into_iter().map(double)).await;
    let child = child(20).id(format!("{}-child", dacapo::instance_id())).await;
    dacapo::sleep(Duration::from_millis(1)).await;
    let drawn = dacapo::side_effect(|| 7);
    dacapo::set_custom_status(&serde_json::json!({ "done": true }));
    let now = dacapo::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    Finished { doubled, child, drawn, uuid: dacapo::new_uuid().to_string(), now }
}

#[orchestrator]
pub(crate) async fn fails(path: String) -> dacapo::Result<u32> {
    opens(path).await
}

/// Fails by item 13 among others, which is not so later.
#[orchestrator]
pub(crate) async fn sums(items: Vec<u32>) -> Result<u32, BadItem> {
    let results = join_all(items.into_iter().map(item)).await;
    let mut sum = 0;
    for result in results {
        sum += result?;
    }
    Ok(sum)
}

/// Acts upon a failure, fails by it, and when it goes well waits: a rewound run that goes on.
#[orchestrator]
pub(crate) async fn compensates(first: u32) -> Result<u32, BadItem> {
    let waited = GO.wait().await;
    if let Err(error) = item(first).await {
        Tally::at("undone").add(1).signal();
        let _told = echo("undone".to_owned()).await;
        dacapo::sleep(Duration::from_millis(1)).await;
        return Err(error);
    }
    Ok(waited + double(first).await + GO.wait().await)
}

#[orchestrator]
pub(crate) async fn waits(n: u32) -> u32 {
    dacapo::set_custom_status(&"waiting");
    let before = double(n).await;
    before + GO.wait().await
}

#[orchestrator]
pub(crate) async fn naps(short: bool) -> u32 {
    let length = if short { LATER } else { NEVER };
    dacapo::select! {
        _ = dacapo::sleep(length) => 1,
        n = GO.wait() => n,
    }
}

#[orchestrator]
pub(crate) async fn works(n: u32) -> u32 {
    let (done, waited) = dacapo::join!(hangs(n), double(n));
    done + waited
}

#[orchestrator]
pub(crate) async fn fans_out(items: Vec<u32>) -> u32 {
    let results =
        fan_out(items, |n| async move { if n > 2 { hangs(n).await } else { double(n).await } }).limit(3).progress().await;
    results.into_iter().sum()
}

#[orchestrator]
pub(crate) async fn retries() -> Result<u32, BadItem> {
    flaky().await
}

#[orchestrator]
pub(crate) async fn retries_a_child() -> Result<u32, BadItem> {
    sums(vec![1, 13]).retry(Retry::fixed(LATER).max_attempts(2)).await
}

/// Calls one that waits, under an id of its own and not.
#[orchestrator]
pub(crate) async fn parent(n: u32) -> u32 {
    let named = format!("{}-named", dacapo::instance_id());
    let _free = waits(n).id(format!("{}-detached", dacapo::instance_id())).detach();
    let (a, b) = dacapo::join!(waits(n).id(named), waits(n + 1));
    a + b
}

/// Collects words, one in each execution.
#[orchestrator]
pub(crate) async fn collects(round: u32, words: Vec<String>) -> Vec<String> {
    let mut words = words;
    if round == 3 {
        GO.wait().await;
    }
    words.push(WORD.wait().await);
    if words.len() == 6 {
        return words;
    }
    dacapo::set_custom_status(&round);
    dacapo::continue_as_new(collects(round + 1, words)).await
}

#[orchestrator]
pub(crate) async fn carries(text: String) -> String {
    let first = echo(text).await;
    let again = echo(first.clone() + &first).await;
    dacapo::set_custom_status(&first[..20]);
    echo(again + &WORD.wait().await).await
}

#[activity]
pub(crate) async fn measure(sizes: BTreeMap<String, Vec<u32>>) -> usize {
    sizes.values().map(Vec::len).sum()
}

/// Calls with an object of arrays of so many keys.
#[orchestrator]
pub(crate) async fn measures(keys: u32) -> usize {
    let sizes = (0..keys).map(|n| (format!("key {n}"), (0..n % 5).collect())).collect();
    measure(sizes).await + GO.wait().await as usize
}

/// Cancels one that takes too long.
#[orchestrator]
pub(crate) async fn gives_up(n: u32) -> u32 {
    let hung = dacapo::timeout(Duration::from_millis(1), hangs(n)).await;
    hung.unwrap_or(0) + GO.wait().await
}

/// Parks in the build that has drifted.
#[orchestrator(allow(environment, reason = "another environment stands for another build"))]
pub(crate) async fn drifts(n: u32) -> u32 {
    let done = if has_drifted() { child(n).await } else { double(n).await };
    done + GO.wait().await
}

/// Parks in the build that does not have it.
#[orchestrator]
pub(crate) async fn goes_missing(n: u32) -> u32 {
    let done = double(n).await;
    done + GO.wait().await
}

#[orchestrator(name = "versioned")]
pub(crate) async fn versioned_1(n: u32) -> u32 {
    double(n).await + GO.wait().await
}

#[orchestrator(name = "versioned", version = 2)]
pub(crate) async fn versioned_2(n: u32) -> u32 {
    GO.wait().await + double(n).await
}

#[orchestrator]
pub(crate) async fn patched(n: u32) -> u32 {
    let first = if dacapo::patched("double first") { double(n).await } else { n };
    first + GO.wait().await
}

/// A value as it is: deeper than others may be, or odd.
#[orchestrator]
pub(crate) async fn keeps(value: Payload, wait: bool) -> Payload {
    if wait {
        GO.wait().await;
    }
    value
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) value: i64,
    pub(crate) notes: Vec<String>,
}

#[entity]
impl Tally {
    pub(crate) fn add(&mut self, n: i64) -> i64 {
        self.value += n;
        self.value
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(crate) fn spend(&mut self, n: i64) -> Result<i64, String> {
        if n > self.value { Err(format!("{} is missing", n - self.value)) } else { Ok(n) }
    }
}

#[orchestrator]
pub(crate) async fn counts(key: String) -> Result<i64, Failure> {
    let tally = Tally::at(key);
    tally.note(large()).signal();
    let spent = tally.spend(100).await.unwrap_or(-1);
    Ok(tally.add(5).await + spent + i64::from(GO.wait().await))
}

/// Holds two, until it may go on.
#[orchestrator]
pub(crate) async fn holds(keys: Vec<String>) -> i64 {
    let tallies: Vec<_> = keys.iter().map(Tally::at).collect();
    let guard = dacapo::lock(tallies.clone()).await;
    dacapo::set_custom_status(&"holds");
    let value = tallies[0].add(1).await;
    GO.wait().await;
    drop(guard);
    value
}

/// Fails with a lock in its hand.
#[orchestrator]
pub(crate) async fn fails_locked(key: String) -> Result<u32, BadItem> {
    let _guard = dacapo::lock(Tally::at(key)).await;
    item(13).await
}

#[orchestrator]
pub(crate) async fn greets(name: String) -> String {
    echo(format!("Hello, {name}!")).await
}
