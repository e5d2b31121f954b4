//! Retries: when a failed attempt is tried again, for activities and for sub-orchestrations.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo::store::{Event as Recorded, MemoryStore, Turn};
use dacapo::testing::Harness;
use dacapo::{Event, Failure, Retry, Runtime, activity, orchestrator};
use serde::{Deserialize, Serialize};

/// The attempts that were made, with their idempotency keys.
#[derive(Default)]
struct Log(Mutex<Vec<(String, u32, String)>>);

struct Shared(Arc<Log>);

impl Log {
    fn attempts(&self, name: &str) -> Vec<u32> {
        let log = self.0.lock().expect("nobody panics with it");
        log.iter().filter(|(called, ..)| called == name).map(|(_, attempt, _)| *attempt).collect()
    }
}

fn note(name: &str) -> u32 {
    let attempt = dacapo::activity::attempt();
    let entry = (name.to_owned(), attempt, dacapo::activity::idempotency_key());
    dacapo::state::<Shared>().0.0.lock().expect("nobody panics with it").push(entry);
    attempt
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum PayError {
    Busy,
    Declined,
    Engine(String),
}

impl PayError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl std::fmt::Display for PayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<Failure> for PayError {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure.to_string())
    }
}

const QUICK: Retry = Retry::fixed(Duration::from_millis(1)).max_attempts(4);

/// Busy twice, then as asked.
#[activity(retry = QUICK, retry_if = PayError::is_transient)]
async fn charge(then: Option<u32>) -> Result<u32, PayError> {
    match (note("charge"), then) {
        (1 | 2, _) => Err(PayError::Busy),
        (_, Some(cents)) => Ok(cents),
        (_, None) => Err(PayError::Declined),
    }
}

#[activity(retry = QUICK, retry_if = |error: &PayError| error.is_transient())]
async fn panics() -> Result<u32, PayError> {
    assert!(note("panics") == 3, "not yet");
    Ok(3)
}

#[orchestrator]
async fn pay(then: Option<u32>) -> Result<u32, PayError> {
    charge(then).await
}

#[orchestrator]
async fn pay_once() -> Result<u32, PayError> {
    charge(Some(1)).retry_if(|error: &PayError| *error == PayError::Declined).await
}

#[orchestrator]
async fn endures() -> Result<u32, PayError> {
    panics().await
}

async fn runtime(store: &MemoryStore) -> (Runtime, Arc<Log>) {
    let log = Arc::new(Log::default());
    let runtime = Runtime::with_store(store.clone()).state(Shared(log.clone())).open().await.expect("it opens");
    (runtime, log)
}

#[tokio::test]
async fn a_predicate_on_the_error_decides() -> dacapo::Result<()> {
    let (runtime, log) = runtime(&MemoryStore::new()).await;
    assert_eq!(runtime.start(pay(Some(5))).await?.result().await, Ok(5));
    assert_eq!(runtime.start(pay(None)).await?.result().await, Err(PayError::Declined), "the third is not tried again");
    assert_eq!(log.attempts("charge"), [1, 2, 3, 1, 2, 3]);
    assert_eq!(runtime.start(pay_once()).await?.result().await, Err(PayError::Busy), "a call has its own predicate");
    assert_eq!(log.attempts("charge").len(), 7);
    assert_eq!(runtime.start(endures()).await?.result().await, Ok(3), "a panic is not the predicate's to judge");
    let log = log.0.lock().expect("nobody panics with it");
    assert!(log[..3].iter().all(|(_, _, key)| *key == log[0].2), "the attempts of a call share a key: {log:?}");
    assert_ne!(log[0].2, log[3].2);
    Ok(())
}

#[activity]
async fn never_works() -> Result<u32, PayError> {
    note("never");
    Err(PayError::Busy)
}

#[orchestrator]
async fn in_time(limit: Duration) -> Result<u32, PayError> {
    let patient = Retry::fixed(Duration::from_millis(20)).max_attempts(1_000).retry_timeout(limit);
    never_works().retry(patient).await
}

#[test]
fn all_attempts_together_have_a_deadline() {
    let harness = Harness::new();
    harness.mock(never_works, |()| Err(PayError::Busy));
    assert_eq!(harness.run(in_time(Duration::from_millis(110))), Err(PayError::Busy));
    assert_eq!((harness.calls(never_works).len(), harness.elapsed()), (6, Duration::from_millis(100)));
    assert_eq!(harness.run(in_time(Duration::ZERO)), Err(PayError::Busy));
    assert_eq!(harness.calls(never_works).len(), 7);
}

#[orchestrator]
async fn jittered() -> Result<u32, PayError> {
    never_works().retry(Retry::fixed(Duration::from_millis(40)).max_attempts(6).jitter(0.5)).await
}

/// How long each failed attempt of call 1 waited, in microseconds.
fn waits(history: &[Turn]) -> Vec<i64> {
    let wait = |turn: &Turn| {
        turn.events.iter().find_map(|event| match event {
            Recorded::TaskFailed { retry_at: Some(at), .. } => Some(at.0 - turn.at.0),
            _ => None,
        })
    };
    history.iter().filter_map(wait).collect()
}

#[tokio::test]
async fn jitter_shortens_waits_and_is_the_same_for_the_same_call() -> dacapo::Result<()> {
    let mut all = Vec::new();
    for _ in 0..2 {
        let (runtime, _) = runtime(&MemoryStore::new()).await;
        let _ = runtime.start(jittered()).id("same").await?.result().await;
        all.push(waits(&runtime.history("same").await?));
    }
    assert_eq!(all[0].len(), 5);
    assert!(all[0].iter().all(|wait| (20_000..=40_000).contains(wait)), "{all:?}");
    assert!(all[0].iter().any(|wait| *wait != all[0][0]), "they differ from attempt to attempt: {all:?}");
    assert_eq!(all[0], all[1], "no chance from outside");
    Ok(())
}

const GO: Event<()> = Event::new("go");

/// A child that fails as often as it is told, after the event.
#[orchestrator]
async fn fails_until(good: u32) -> Result<u32, PayError> {
    GO.wait().await;
    let id = dacapo::instance_id();
    let attempt = id.rsplit_once(":retry-").map_or(Ok(1), |(_, attempt)| attempt.parse::<u32>());
    let attempt = attempt.map_err(|error| PayError::Engine(error.to_string()))?;
    if attempt == 4 {
        return Err(PayError::Declined);
    }
    if attempt < good { Err(PayError::Busy) } else { Ok(attempt) }
}

#[orchestrator]
async fn parent(good: u32) -> Result<u32, PayError> {
    let patient = Retry::fixed(Duration::from_millis(1)).max_attempts(5);
    fails_until(good).id("child").retry(patient).retry_if(PayError::is_transient).await
}

async fn go(runtime: &Runtime, id: &str) {
    let raised = async {
        while runtime.raise(id, GO, ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), raised).await.expect("the attempt begins in time");
}

#[tokio::test]
async fn a_sub_orchestration_is_tried_again_across_restarts() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let (first, _) = runtime(&store).await;
    first.start(parent(3)).id("parent").await?;
    go(&first, "child").await;
    go(&first, "child:retry-2").await;
    // Gone while the third attempt is due, under way, or not created yet.
    drop(first);
    let (second, _) = runtime(&store).await;
    go(&second, "child:retry-3").await;
    assert_eq!(second.attach(parent, "parent").result().await, Ok(3));
    for (id, execution) in [("child", 1), ("child:retry-2", 1), ("child:retry-3", 1)] {
        let child = second.status(id).await?;
        assert_eq!((child.parent_id(), child.execution()), (Some("parent"), execution));
    }
    Ok(())
}

#[tokio::test]
async fn an_error_that_the_predicate_refuses_ends_the_attempts_of_a_child() -> dacapo::Result<()> {
    let (runtime, _) = runtime(&MemoryStore::new()).await;
    let run = runtime.start(parent(9)).id("parent").await?;
    for id in ["child", "child:retry-2", "child:retry-3", "child:retry-4"] {
        go(&runtime, id).await;
    }
    assert_eq!(run.result().await, Err(PayError::Declined));
    let names: Vec<_> = run.status().await?.failure().expect("it failed").calls().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["call 7 of `fails_until` in `parent` with `9`"]);
    Ok(())
}

#[test]
fn a_policy_stops_growing_and_never_overflows() {
    let retry = Retry::exponential(Duration::from_secs(1)).backoff(10.0).max_attempts(u32::MAX).max_interval(Duration::MAX);
    assert_eq!(retry.delay_after(3), Some(Duration::from_secs(100)));
    assert_eq!(retry.delay_after(1_000_000), Some(Duration::MAX));
    assert_eq!(Retry::fixed(Duration::MAX).jitter(7.0).delay_after(1), Some(Duration::MAX));
    assert_eq!(Retry::none().delay_after(1), None);
}
