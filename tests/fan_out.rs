//! Fan-out: results in input order, rules that end it early, progress, and failures that say where they came from.

#[path = "support/wait.rs"]
mod wait;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dacapo::store::{Event as Recorded, MemoryStore};
use dacapo::{Event, Failure, FailureKind, Handle, Payload, Progress, Runtime, activity, fan_out, orchestrator, try_fan_out};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use wait::until;

/// What each item does, told by the test.
#[derive(Default)]
struct Script {
    /// How often each item has begun.
    begun: Mutex<BTreeMap<u32, u32>>,
    open: Notify,
}

struct Shared(Arc<Script>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum ItemError {
    Bad(u32),
    Engine(String),
}

impl std::fmt::Display for ItemError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bad(item) => write!(f, "{item} is bad"),
            Self::Engine(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ItemError {}

impl From<Failure> for ItemError {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure.to_string())
    }
}

/// Fails for 100 and more, never ends for 50 to 99.
#[activity]
async fn item(n: u32) -> Result<u32, ItemError> {
    let script = dacapo::state::<Shared>().0.clone();
    *script.begun.lock().expect("nobody panics with it").entry(n).or_default() += 1;
    script.open.notify_waiters();
    match n {
        0..50 => Ok(n * 10),
        50..100 => std::future::pending().await,
        _ => Err(ItemError::Bad(n)),
    }
}

#[orchestrator]
async fn tolerant(items: Vec<u32>, tolerated: usize) -> dacapo::Result<Vec<Result<u32, String>>> {
    let results = fan_out(items, item).limit(3).tolerate_failures(tolerated).progress().await?;
    Ok(results.into_iter().map(|result| result.map_err(|error| error.to_string())).collect())
}

#[orchestrator]
async fn quorum(items: Vec<u32>, needed: usize) -> dacapo::Result<Vec<(usize, u32)>> {
    Ok(fan_out(items, item).need_successes(needed).progress().await?)
}

async fn runtime(store: &MemoryStore) -> (Runtime, Arc<Script>) {
    let script = Arc::new(Script::default());
    let runtime = Runtime::with_store(store.clone()).state(Shared(script.clone())).open().await.expect("it opens");
    (runtime, script)
}

#[tokio::test]
async fn tolerated_failures_stay_in_their_places() -> dacapo::Result<()> {
    let (runtime, _) = runtime(&MemoryStore::new()).await;
    let run = runtime.start(tolerant(vec![1, 100, 2, 101, 3], 2)).await?;
    let bad = |n: u32| Err(format!("{n} is bad"));
    assert_eq!(run.result().await?, [Ok(10), bad(100), Ok(20), bad(101), Ok(30)]);
    assert_eq!(run.custom_status::<Progress>().await?, Some(Progress { done: 5, total: 5, failed: 2 }));
    assert_eq!(run.status().await?.custom_status().map(Payload::as_str), Some(r#"{"done":5,"total":5,"failed":2}"#));
    Ok(())
}

#[tokio::test]
async fn one_failure_too_many_ends_it_names_all_and_starts_no_more() -> dacapo::Result<()> {
    let (runtime, script) = runtime(&MemoryStore::new()).await;
    let run = runtime.start(tolerant(vec![50, 100, 101, 7], 1)).await?;
    let error = run.result().await.expect_err("two have failed");
    assert_eq!(error.to_string(), "2 of 4 items failed, and the fan-out tolerates 1: item 1: 100 is bad; item 2: 101 is bad");
    let cancelled = runtime.history(run.id()).await?;
    let completed =
        cancelled.iter().flat_map(|turn| &turn.events).filter(|event| matches!(event, Recorded::TaskCompleted { .. }));
    assert_eq!(completed.count(), 0, "50 was cancelled, and what 7 gave is not waited for");
    assert!(script.begun.lock().expect("nobody panics with it").contains_key(&50));
    Ok(())
}

#[tokio::test]
async fn enough_successes_end_it_at_once() -> dacapo::Result<()> {
    let (runtime, _) = runtime(&MemoryStore::new()).await;
    let run = runtime.start(quorum(vec![50, 1, 100, 2, 51], 2)).await?;
    assert_eq!(run.result().await?, [(1, 10), (3, 20)], "with the indexes of the items");
    assert_eq!(run.result().await?.len(), 2);
    let run = runtime.start(quorum(vec![50, 100, 1, 101], 3)).await?;
    let error = run.result().await.expect_err("three cannot succeed");
    assert_eq!(
        error.to_string(),
        "2 of 4 items failed, and the fan-out needs 3 that succeed: item 1: 100 is bad; item 3: 101 is bad"
    );
    Ok(())
}

#[tokio::test]
async fn a_rule_that_cannot_be_met_starts_nothing() -> dacapo::Result<()> {
    let (runtime, script) = runtime(&MemoryStore::new()).await;
    let error = runtime.start(quorum(vec![1, 2], 3)).await?.result().await.expect_err("there are two");
    assert_eq!(error.to_string(), "0 of 2 items failed, and the fan-out needs 3 that succeed");
    assert_eq!(runtime.start(quorum(vec![1, 2], 0)).await?.result().await?, []);
    assert_eq!(runtime.start(tolerant(Vec::new(), 0)).await?.result().await?, []);
    assert!(script.begun.lock().expect("nobody panics with it").is_empty());
    Ok(())
}

const GO: Event<u32> = Event::new("go");

/// Counts what it waits for: an item fails or waits for the event.
#[orchestrator]
async fn halves(items: Vec<u32>) -> dacapo::Result<Vec<(usize, u32)>> {
    let one = |n| async move {
        let value = item(n).await?;
        Ok::<_, ItemError>(value + GO.wait().await)
    };
    Ok(fan_out(items, one).limit(2).progress().need_successes(2).await?)
}

#[tokio::test]
async fn a_restart_in_the_middle_goes_on_with_the_same_window_and_count() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let (first, script) = runtime(&store).await;
    let run = first.start(halves(vec![100, 1, 2, 3])).id("halves").await?;
    run.raise(GO, 1000).await?;
    let shows = async |run: &Handle<_>, done, failed| {
        until("the progress is shown", async || {
            run.custom_status().await.is_ok_and(|shown| shown == Some(Progress { done, total: 4, failed }))
        })
        .await;
    };
    shows(&run, 2, 1).await;
    drop(first);
    assert_eq!(script.begun.lock().expect("nobody panics with it").get(&1), Some(&1));

    let (second, script) = runtime(&store).await;
    let run = second.attach(halves, "halves");
    shows(&run, 2, 1).await;
    run.raise(GO, 2000).await?;
    let result = run.result().await?;
    assert_eq!(result, [(1, 1010), (2, 2020)], "item 3 was in the window and is not waited for");
    assert!(!script.begun.lock().expect("nobody panics with it").contains_key(&1), "1 was not run again");
    Ok(())
}

#[orchestrator]
async fn all_or_none(items: Vec<u32>) -> Result<Vec<u32>, ItemError> {
    try_join_all(items.into_iter().map(item)).await
}

#[orchestrator]
async fn first_error(items: Vec<u32>) -> Result<Vec<u32>, ItemError> {
    try_fan_out(items, item).limit(2).progress().await
}

#[orchestrator]
async fn asks_a_child(items: Vec<u32>) -> Result<Vec<u32>, ItemError> {
    all_or_none(items).id("the child").await
}

#[tokio::test]
async fn a_failed_run_says_which_call_with_which_input() -> dacapo::Result<()> {
    let (runtime, _) = runtime(&MemoryStore::new()).await;
    let run = runtime.start(all_or_none(vec![1, 50, 103])).id("join").await?;
    assert_eq!(run.result().await, Err(ItemError::Bad(103)), "the declared error comes back as itself");
    let status = run.status().await?;
    let failure = status.failure().expect("it failed");
    let [call] = failure.calls() else { panic!("{failure:?}") };
    assert_eq!((call.name.as_str(), call.instance.as_str(), call.call, call.input.as_str()), ("item", "join", 3, "`103`"));
    assert_eq!(failure.to_string(), "103 is bad (call 3 of `item` with `103`)");

    let run = runtime.start(first_error(vec![1, 2, 104])).id("fan").await?;
    assert_eq!(run.result().await, Err(ItemError::Bad(104)));
    assert_eq!(run.custom_status().await?, Some(Progress { done: 3, total: 3, failed: 1 }));

    let run = runtime.start(asks_a_child(vec![105])).id("parent").await?;
    assert_eq!(run.result().await, Err(ItemError::Bad(105)));
    let status = run.status().await?;
    let calls: Vec<_> = status.failure().expect("it failed").calls().iter().map(ToString::to_string).collect();
    assert_eq!(
        calls,
        ["call 1 of `item` in `the child` with `105`", "call 1 of `all_or_none` in `parent` with `[105]`"],
        "from where it failed up to who asked"
    );
    Ok(())
}

#[activity]
async fn panics(n: u32) -> Result<u32, ItemError> {
    assert!(n == 0, "{n} is not zero");
    Ok(n)
}

#[orchestrator]
async fn engine_failures(n: u32) -> (String, String) {
    let typed = panics(n).await.expect_err("it panics").to_string();
    let checked = panics(n + 1).checked().await.expect_err("it panics");
    assert_eq!(checked.kind(), FailureKind::Panic);
    (typed, checked.calls()[0].input.clone())
}

#[tokio::test]
async fn a_failure_of_the_engine_names_its_call() -> dacapo::Result<()> {
    let (runtime, _) = runtime(&MemoryStore::new()).await;
    let (typed, input) = runtime.start(engine_failures(7)).id("engine").await?.result().await?;
    assert_eq!(typed, "panicked: 7 is not zero (call 1 of `panics` with `7`)");
    assert_eq!(input, "`8`");
    Ok(())
}
