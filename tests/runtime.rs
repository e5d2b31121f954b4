//! What a runtime promises: starting, failing, retrying, waiting, stopping, and going on.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dacapo::{Activity, Error, ErrorKind, Event, Failure, FailureKind, Payload, Retry, Runtime, Status, activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Counters by name, given to activities as state: what each test observes from outside.
#[derive(Default)]
struct Probe {
    counts: Mutex<BTreeMap<String, usize>>,
    running: AtomicUsize,
    most: AtomicUsize,
    changed: Notify,
    open: AtomicBool,
}

/// The state type shared with a test.
struct Shared(Arc<Probe>);

impl Probe {
    fn count(&self, name: &str) -> usize {
        let mut counts = self.counts.lock().expect("nobody panics with it");
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        let now = *count;
        drop(counts);
        self.changed.notify_waiters();
        now
    }

    fn of(&self, name: &str) -> usize {
        self.counts.lock().expect("nobody panics with it").get(name).copied().unwrap_or(0)
    }

    /// Waits until `name` was counted `n` times.
    async fn reaches(&self, name: &str, n: usize) {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                if self.of(name) >= n {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it is counted in time");
    }
}

fn probe() -> Arc<Probe> {
    dacapo::state::<Shared>().0.clone()
}

async fn memory() -> (Runtime, Arc<Probe>) {
    let probe = Arc::new(Probe::default());
    let runtime = Runtime::builder("memory:").state(Shared(probe.clone())).open().await.expect("it opens");
    (runtime, probe)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum PayError {
    Declined { code: u32 },
    Engine(String),
}

impl std::fmt::Display for PayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Declined { code } => write!(f, "declined with code {code}"),
            Self::Engine(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for PayError {}

impl From<Failure> for PayError {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure.to_string())
    }
}

/// Charges, or declines with the code that is asked for.
#[activity]
async fn charge(cents: u32, decline: Option<u32>) -> Result<u32, PayError> {
    match decline {
        Some(code) => Err(PayError::Declined { code }),
        None => Ok(cents),
    }
}

#[orchestrator]
async fn pay(cents: u32, decline: Option<u32>) -> Result<u32, PayError> {
    charge(cents, decline).await
}

#[tokio::test]
async fn a_typed_error_comes_back_as_itself() -> dacapo::Result<()> {
    let (runtime, _) = memory().await;
    assert_eq!(runtime.start(pay(5, None)).await?.result().await, Ok(5));
    let run = runtime.start(pay(5, Some(3))).id("declined").await?;
    assert_eq!(run.result().await, Err(PayError::Declined { code: 3 }));
    let status = run.status().await?;
    assert_eq!(status.runtime_status(), Status::Failed);
    assert_eq!(status.input().map(Payload::as_str), Some(r#"{"cents":5,"decline":3}"#));
    let failure = status.failure().expect("it failed");
    assert_eq!((failure.message(), failure.kind()), ("declined with code 3", FailureKind::Application));
    Ok(())
}

#[activity]
async fn reads_a_file(path: String) -> dacapo::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim().parse::<u64>()?)
}

#[orchestrator]
async fn any_error() -> dacapo::Result<u64> {
    reads_a_file("/no/such/file".into()).await
}

#[tokio::test]
async fn any_error_travels_in_the_library_s_own() -> dacapo::Result<()> {
    let (runtime, _) = memory().await;
    let error: Error = runtime.start(any_error()).await?.result().await.expect_err("the file is not there");
    assert!(error.to_string().contains("No such file"), "{error}");
    Ok(())
}

#[activity]
async fn explodes(how: String) -> u32 {
    panic!("it exploded {how}")
}

#[orchestrator]
async fn survives_explosions() -> String {
    match explodes("loudly".into()).checked().await {
        Ok(_) => "nothing happened".into(),
        Err(failure) => failure.to_string(),
    }
}

#[orchestrator]
async fn does_not() -> u32 {
    explodes("once".into()).await
}

#[orchestrator]
async fn explodes_itself(n: u32) -> u32 {
    assert!(n > 100, "{n} is too small");
    n
}

#[tokio::test]
async fn panics_are_failures_and_hurt_nobody_else() -> dacapo::Result<()> {
    let (runtime, _) = memory().await;
    assert_eq!(
        runtime.start(survives_explosions()).await?.result().await?,
        "panicked: it exploded loudly (call 1 of `explodes` with `\"loudly\"`)"
    );
    let failure = runtime.start(does_not()).await?.result().await.expect_err("it has no place for it");
    assert!(failure.message().contains("`explodes` failed"), "{failure}");
    assert_eq!(failure.causes(), ["it exploded once"]);
    let failure = runtime.start(explodes_itself(1)).await?.result().await.expect_err("it panics");
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Panic, "1 is too small"));
    assert_eq!(runtime.start(explodes_itself(101)).await?.result().await?, 101);
    Ok(())
}

const PATIENT: Retry = Retry::exponential(Duration::from_millis(20)).backoff(2.0).max_attempts(4);

#[activity(retry = PATIENT)]
async fn third_time_lucky(key: String) -> Result<u32, String> {
    probe().count(&format!("{key} under {}", dacapo::activity::idempotency_key()));
    assert_eq!(dacapo::activity::attempt() as usize, probe().count(&key));
    if dacapo::activity::attempt() < 3 {
        Err(format!("attempt {}", dacapo::activity::attempt()))
    } else {
        Ok(dacapo::activity::attempt())
    }
}

#[orchestrator]
async fn tries(key: String, at_most: Option<u32>) -> Result<u32, String> {
    match at_most {
        Some(attempts) => third_time_lucky(key).retry(PATIENT.max_attempts(attempts)).await,
        None => third_time_lucky(key).await,
    }
}

#[tokio::test]
async fn a_retry_waits_longer_each_time_and_keeps_its_key() -> dacapo::Result<()> {
    let (runtime, probe) = memory().await;
    let begin = Instant::now();
    let run = runtime.start(tries("a".into(), None)).id("lucky").await?;
    assert_eq!(run.result().await, Ok(3));
    assert!(begin.elapsed() >= Duration::from_millis(20 + 40), "{:?}", begin.elapsed());
    assert_eq!(probe.of("a under lucky/1/1"), 3, "one key for all attempts: {:?}", probe.counts);
    let failed = runtime
        .history("lucky")
        .await?
        .into_iter()
        .flat_map(|turn| turn.events)
        .filter(|event| matches!(event, dacapo::store::Event::TaskFailed { retry_at: Some(_), .. }));
    assert_eq!(failed.count(), 2, "each failed attempt is in the history with the time of the next");
    let run = runtime.start(tries("b".into(), Some(2))).await?;
    assert_eq!(run.result().await, Err("attempt 2".into()), "the call's own policy wins");
    Ok(())
}

#[activity(timeout = Duration::from_secs(60))]
async fn slow(millis: u64) -> Result<u32, String> {
    probe().count("slow");
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(1)
}

#[orchestrator]
async fn in_time(millis: u64) -> Result<u32, String> {
    slow(millis).await
}

#[orchestrator]
async fn in_no_time(millis: u64) -> Result<u32, String> {
    slow(millis).timeout(Duration::from_millis(30)).retry(Retry::fixed(Duration::ZERO).max_attempts(3)).await
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_fails_and_is_tried_again() -> dacapo::Result<()> {
    let (runtime, probe) = memory().await;
    assert_eq!(runtime.start(in_time(0)).await?.result().await, Ok(1));
    let error = runtime.start(in_no_time(60_000)).await?.result().await.expect_err("it is too slow");
    assert_eq!(error, "`slow` took longer than its timeout of 30ms (call 1 of `slow` with `60000`)");
    assert_eq!(probe.of("slow"), 1 + 3);
    Ok(())
}

/// Stays until there have been `wanted` at once, and a moment longer for one that must not come.
async fn among_others(wanted: usize) {
    let probe = probe();
    probe.most.fetch_max(probe.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    while probe.most.load(Ordering::SeqCst) < wanted {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    probe.running.fetch_sub(1, Ordering::SeqCst);
}

#[activity(max_concurrent = 3)]
async fn crowded(n: u32) -> u32 {
    among_others(3).await;
    n
}

#[orchestrator]
async fn crowd(n: u32) -> Vec<u32> {
    join_all((0..n).map(crowded)).await
}

#[tokio::test]
async fn no_more_run_at_once_than_allowed() -> dacapo::Result<()> {
    let (runtime, probe) = memory().await;
    let runs = join_all((0..4).map(|_| async { runtime.start(crowd(20)).await?.result().await.map_err(Error::from) })).await;
    assert!(runs.into_iter().all(|run| run == Ok((0..20).collect())));
    assert_eq!(probe.most.load(Ordering::SeqCst), 3);
    Ok(())
}

#[activity]
async fn uncapped(n: u32) -> u32 {
    among_others(5).await;
    n
}

#[orchestrator]
async fn wide(n: u32) -> Vec<u32> {
    join_all((0..n).map(uncapped)).await
}

#[tokio::test]
async fn the_pool_has_a_limit_for_all() -> dacapo::Result<()> {
    let probe = Arc::new(Probe::default());
    let builder = Runtime::builder("memory:").state(Shared(probe.clone())).max_concurrent_activities(5);
    let runtime = builder.open().await?;
    assert_eq!(runtime.start(wide(50)).await?.result().await?, (0..50).collect::<Vec<_>>());
    assert_eq!(probe.most.load(Ordering::SeqCst), 5);
    Ok(())
}

/// Blocks its thread, as a plain function may.
#[activity]
fn blocks(n: u32) -> u32 {
    let probe = probe();
    probe.most.fetch_max(probe.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    let begin = Instant::now();
    while probe.most.load(Ordering::SeqCst) < 3 && begin.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    probe.running.fetch_sub(1, Ordering::SeqCst);
    n
}

#[orchestrator]
async fn blocking() -> Vec<u32> {
    join_all((0..3).map(blocks)).await
}

#[tokio::test]
async fn plain_functions_block_threads_of_their_own() -> dacapo::Result<()> {
    // On an executor with one thread: only a pool lets all three be inside at once.
    let (runtime, probe) = memory().await;
    assert_eq!(runtime.start(blocking()).await?.result().await?, [0, 1, 2]);
    assert_eq!(probe.most.load(Ordering::SeqCst), 3);
    Ok(())
}

#[orchestrator]
async fn needs_state() -> Result<u32, String> {
    asks_for_missing_state().await
}

#[activity]
async fn asks_for_missing_state() -> Result<u32, String> {
    struct Missing;
    let _ = dacapo::state::<Missing>();
    Ok(0)
}

#[tokio::test]
async fn missing_state_is_named() -> dacapo::Result<()> {
    let (runtime, _) = memory().await;
    let error = runtime.start(needs_state()).await?.result().await.expect_err("nobody gave it");
    assert!(error.contains("Missing") && error.contains("Runtime::builder(url).state(value)"), "{error}");
    Ok(())
}

const DECISION: Event<String> = Event::new("decision");

#[orchestrator]
async fn decides(wait: u64) -> Option<String> {
    dacapo::timeout(Duration::from_millis(wait), DECISION.wait()).await.ok()
}

#[tokio::test]
async fn an_event_is_delivered_before_and_after_it_is_awaited() -> dacapo::Result<()> {
    let (runtime, _) = memory().await;
    let run = runtime.start(decides(60_000)).await?;
    run.raise(DECISION, "yes".into()).await?;
    assert_eq!(run.result().await?, Some("yes".into()));
    let error = run.raise(DECISION, "again".into()).await.expect_err("it has finished");
    assert_eq!(error.kind(), ErrorKind::Finished);
    assert_eq!(runtime.start(decides(10)).await?.result().await?, None);
    assert!(runtime.raise("nobody", DECISION, "x".into()).await.expect_err("there is nobody").is_not_found());
    Ok(())
}

#[tokio::test]
async fn an_id_is_given_once_and_must_be_sound() -> dacapo::Result<()> {
    let (runtime, _) = memory().await;
    runtime.start(decides(60_000)).id("one").await?;
    let error = runtime.start(decides(1)).id("one").await.expect_err("it runs");
    assert!(error.is_already_exists() && error.to_string().contains("`one`"), "{error}");
    runtime.start(decides(1)).id("two").await?.result().await?;
    assert!(runtime.start(decides(1)).id("two").await.expect_err("it has finished").is_already_exists());
    let long = "x".repeat(257);
    for id in ["", "@entity", "a/b", "a\\b", "a#b", "a?b", "a\nb", &long] {
        assert_eq!(runtime.start(decides(1)).id(id).await.expect_err(id).kind(), ErrorKind::Invalid, "{id:?}");
    }
    Ok(())
}

#[activity]
async fn holds_until_opened(name: String) -> String {
    let probe = probe();
    probe.count(&name);
    while !probe.open.load(Ordering::SeqCst) {
        probe.changed.notified().await;
    }
    name
}

#[orchestrator]
async fn holds(name: String) -> String {
    holds_until_opened(name).await
}

#[tokio::test]
async fn a_shutdown_lets_activities_end_within_the_grace_and_leaves_the_rest() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let probe = Arc::new(Probe::default());
    let open = |grace: u64| {
        let builder = Runtime::builder(url.clone()).state(Shared(probe.clone())).grace_period(Duration::from_millis(grace));
        async move { builder.open().await }
    };
    let runtime = open(0).await?;
    runtime.start(holds("left".into())).id("left").await?;
    probe.reaches("left", 1).await;
    runtime.shutdown().await?;

    let runtime = open(30_000).await?;
    probe.reaches("left", 2).await;
    let shutdown = tokio::spawn(runtime.shutdown());
    tokio::task::yield_now().await;
    probe.open.store(true, Ordering::SeqCst);
    probe.changed.notify_waiters();
    shutdown.await??;

    let runtime = open(0).await?;
    assert_eq!(runtime.attach(holds, "left").result().await?, "left");
    assert_eq!(probe.of("left"), 2, "what ended within the grace was recorded");
    runtime.shutdown().await?;
    Ok(())
}

#[orchestrator]
async fn parent(names: Vec<String>) -> Vec<String> {
    join_all(names.into_iter().map(holds)).await
}

#[tokio::test]
async fn sub_orchestrations_and_timers_go_on_after_a_restart() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let probe = Arc::new(Probe::default());
    let open = || Runtime::builder(url.clone()).state(Shared(probe.clone())).grace_period(Duration::ZERO).open();
    let runtime = open().await?;
    runtime.start(parent(vec!["a".into(), "b".into()])).id("parent").await?;
    runtime.start(decides(300)).id("timer").await?;
    probe.reaches("b", 1).await;
    assert_eq!(runtime.status("parent:2").await?.parent_id(), Some("parent"));
    runtime.shutdown().await?;

    probe.open.store(true, Ordering::SeqCst);
    let runtime = open().await?;
    assert_eq!(runtime.attach(parent, "parent").result().await?, ["a", "b"]);
    assert_eq!(runtime.attach(decides, "timer").result().await?, None);
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn terminating_an_orchestration_ends_its_children_and_activities() -> dacapo::Result<()> {
    let (runtime, probe) = memory().await;
    let run = runtime.start(parent(vec!["a".into()])).id("boss").await?;
    probe.reaches("a", 1).await;
    run.terminate("enough").await?;
    let failure = run.result().await.expect_err("it was terminated");
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Terminated, "terminated: enough"));
    let child = runtime.attach(holds, "boss:1").result().await.expect_err("it was terminated, too");
    assert_eq!(child.kind(), FailureKind::Terminated);
    Ok(())
}

#[activity]
async fn sevenths(count: u32) -> Vec<f64> {
    (1..=count).map(|n| f64::from(n) / 7.0 * 1.1).collect()
}

#[orchestrator]
async fn measures(count: u32) -> Vec<f64> {
    sevenths(count).await
}

#[tokio::test]
async fn a_value_comes_back_to_the_last_bit() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    assert_eq!(
        runtime.start(measures(1000)).await?.result().await?,
        (1..=1000).map(|n| f64::from(n) / 7.0 * 1.1).collect::<Vec<_>>()
    );
    Ok(())
}

#[tokio::test]
async fn evicted_instances_come_back_for_events_and_timers() -> dacapo::Result<()> {
    let builder = Runtime::builder("memory:").max_loaded_instances(2);
    let runtime = builder.open().await?;
    let runs = join_all((0..50).map(|n| runtime.start(decides(if n % 2 == 0 { 60_000 } else { 400 })).into_future())).await;
    let runs: Vec<_> = runs.into_iter().collect::<Result<_, _>>()?;
    for (n, run) in runs.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        run.raise(DECISION, n.to_string()).await?;
    }
    for (n, run) in runs.iter().enumerate() {
        assert_eq!(run.result().await?, (n % 2 == 0).then(|| n.to_string()));
    }
    Ok(())
}

#[tokio::test]
async fn outside_a_runtime_an_activity_runs_and_an_orchestration_says_what_to_write() {
    assert_eq!(charge(7, None).await, Ok(7));
    let alone: Activity<_> = charge(7, Some(1));
    assert_eq!(alone.await, Err(PayError::Declined { code: 1 }));
    let panic = tokio::spawn(async { pay(1, None).await }).await.expect_err("nothing would be recorded");
    let panic = panic.into_panic();
    let message = panic.downcast_ref::<String>().expect("it has a message");
    assert!(message.contains("runtime.start(pay(..))"), "{message}");
}
