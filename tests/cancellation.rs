//! What cancelling promises: what nobody waits for any more is dropped, and what wants to clean up is told first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo::activity::{attempt, cancelled, is_cancelled};
use dacapo::testing::Harness;
use dacapo::{Event, Retry, Runtime, Status, activity, orchestrator};
use futures::FutureExt as _;
use tokio::sync::Notify;

mod both;
use both::{Kept, events, until};

const GO: Event<u32> = Event::new("go");
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// What the activities did, by what they say.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<BTreeMap<String, usize>>>);

impl Log {
    fn say(&self, what: &str) {
        *self.0.lock().expect("nobody panics with it").entry(what.to_owned()).or_default() += 1;
    }

    fn of(&self, what: &str) -> usize {
        self.0.lock().expect("nobody panics with it").get(what).copied().unwrap_or(0)
    }

    async fn hears(&self, what: &str) {
        until(what, async || self.of(what) > 0).await;
    }
}

fn say(what: &str) {
    dacapo::state::<Log>().say(what);
}

/// Says so when it is dropped.
struct Guard(Log);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.say("dropped");
    }
}

/// Never ends by itself.
#[activity]
async fn hangs() {
    let _guard = Guard((*dacapo::state::<Log>()).clone());
    say("hangs");
    std::future::pending::<()>().await;
}

/// Cleans up, which takes a while, and then says so.
#[activity]
async fn cleans_up() {
    let cancelled = cancelled();
    say("hangs");
    cancelled.await;
    tokio::task::yield_now().await;
    say("clean");
}

/// Stands for what asks to be told, and then does not end.
#[activity]
async fn stubborn() {}

/// Works on a thread until it is told.
#[activity]
fn blocks() {
    say("hangs");
    while !is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    say("clean");
}

#[activity(timeout = MINUTE, retry = Retry::fixed(SECOND).max_attempts(2))]
async fn slow_at_first() -> u32 {
    0
}

#[orchestrator]
async fn runs(which: String) {
    runs_here(which).await;
}

/// Races an activity with an event.
#[orchestrator]
async fn races(which: String) -> u32 {
    let n = dacapo::select! {
        n = GO.wait() => n,
        _ = runs_here(which) => 0,
    };
    // The run goes on, so that it is not its end that cancels.
    n + GO.wait().await
}

#[orchestrator(inline)]
async fn runs_here(which: String) {
    match which.as_str() {
        "hangs" => hangs().await,
        "cleans_up" => cleans_up().await,
        "stubborn" => stubborn().await,
        _ => blocks().await,
    }
}

#[orchestrator]
async fn retries() -> dacapo::Result<u32> {
    Ok(slow_at_first().checked().await?)
}

async fn open(kept: &Kept, log: &Log) -> Runtime {
    kept.runtime().state(log.clone()).grace_period(Duration::ZERO).open().await.expect("it opens")
}

async fn the_loser_of_a_race_is_dropped(kept: Kept) -> dacapo::Result<()> {
    let log = Log::default();
    let runtime = open(&kept, &log).await;
    let run = runtime.start(races("hangs".into())).id("r").await?;
    log.hears("hangs").await;
    run.raise(GO, 1).await?;
    log.hears("dropped").await;
    run.raise(GO, 2).await?;
    assert_eq!(run.result().await?, 3);
    Ok(())
}

async fn a_terminated_run_drops_what_it_started_also_after_a_restart(kept: Kept) -> dacapo::Result<()> {
    let log = Log::default();
    let runtime = open(&kept, &log).await;
    runtime.start(runs("hangs".into())).id("r").await?;
    log.hears("hangs").await;
    runtime.shutdown().await?;
    until("it ends with its worker", async || log.of("dropped") == 1).await;

    let runtime = open(&kept, &log).await;
    until("it runs again", async || log.of("hangs") == 2).await;
    runtime.terminate("r", "enough").await?;
    until("it is dropped", async || log.of("dropped") == 2).await;
    assert_eq!(events(&runtime, "r").await, ["ExecutionStarted", "TaskScheduled", "ExecutionTerminated"]);
    Ok(())
}

async fn one_that_asks_is_told_and_cleans_up(kept: Kept) -> dacapo::Result<()> {
    for (which, ends_by_race) in [("cleans_up", true), ("cleans_up", false), ("blocks", true), ("blocks", false)] {
        let log = Log::default();
        let runtime = open(&kept, &log).await;
        let id = format!("{which} {ends_by_race}");
        if ends_by_race {
            let run = runtime.start(races(which.into())).id(&id).await?;
            log.hears("hangs").await;
            run.raise(GO, 1).await?;
            log.hears("clean").await;
            run.raise(GO, 1).await?;
            assert_eq!(run.result().await?, 2);
        } else {
            runtime.start(runs(which.into())).id(&id).await?;
            log.hears("hangs").await;
            runtime.terminate(&id, "enough").await?;
            log.hears("clean").await;
        }
        let told = events(&runtime, &id).await;
        assert!(!told.contains(&"TaskCompleted".to_owned()), "its result counts for nothing: {told:?}");
        runtime.shutdown().await?;
    }
    Ok(())
}

#[orchestrator]
async fn waits() -> u32 {
    GO.wait().await
}

/// Calls one that calls one that waits.
#[orchestrator]
async fn three_deep() -> u32 {
    two_deep().id("middle").await
}

#[orchestrator]
async fn two_deep() -> u32 {
    waits().id("leaf").await
}

/// Whether the run is terminated, the one it waits for, too, and theirs.
async fn all_end(runtime: &Runtime, root: &str) {
    for id in [root, "middle", "leaf"] {
        both::reaches(runtime, id, Status::Terminated).await;
    }
}

async fn terminating_reaches_everything_that_was_awaited(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept, &Log::default()).await;
    runtime.start(three_deep()).id("root").await?;
    both::reaches(&runtime, "leaf", Status::Running).await;
    runtime.terminate("root", "enough").await?;
    // The order to end stands in the store with the end of the caller: whoever opens it next carries it out.
    drop(runtime);
    kept.store().await.close().await?;

    let runtime = open(&kept, &Log::default()).await;
    all_end(&runtime, "root").await;
    Ok(())
}

async fn terminating_a_suspended_run_reaches_what_it_awaited(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept, &Log::default()).await;
    runtime.start(three_deep()).id("root").await?;
    both::reaches(&runtime, "leaf", Status::Running).await;
    runtime.suspend("root", "incident").await?;
    runtime.shutdown().await?;

    let runtime = open(&kept, &Log::default()).await;
    runtime.terminate("root", "enough").await?;
    all_end(&runtime, "root").await;
    Ok(())
}

both::on_both_stores! {
    the_loser_of_a_race_is_dropped
    a_terminated_run_drops_what_it_started_also_after_a_restart
    one_that_asks_is_told_and_cleans_up
    terminating_reaches_everything_that_was_awaited
    terminating_a_suspended_run_reaches_what_it_awaited
}

#[test]
fn the_grace_has_an_end() {
    let (harness, log) = (Harness::new(), Log::default());
    harness.settings(|builder| builder.cancel_grace(MINUTE));
    let stage = log.clone();
    harness.mock_async(stubborn, move |()| {
        let guard = Guard(stage.clone());
        async move {
            let cancelled = cancelled();
            cancelled.await;
            guard.0.say("told");
            std::future::pending().await
        }
    });
    harness.start(runs("stubborn".into()));
    harness.client(|client| async move { client.terminate("run-1", "enough").await }).expect("it runs");
    harness.advance(MINUTE - Duration::from_micros(1));
    assert_eq!((log.of("told"), log.of("dropped")), (1, 0), "not before the grace");
    harness.advance(Duration::from_micros(1));
    assert_eq!(log.of("dropped"), 1);
}

#[test]
fn a_timeout_lets_clean_up_before_the_next_attempt() {
    let (harness, log, clean) = (Harness::new(), Log::default(), Arc::new(Notify::new()));
    harness.settings(|builder| builder.cancel_grace(MINUTE));
    let (stage, cleaned) = (log.clone(), clean.clone());
    harness.mock_async(slow_at_first, move |()| {
        let (log, clean) = (stage.clone(), cleaned.clone());
        async move {
            log.say("begins");
            if attempt() == 1 {
                cancelled().await;
                clean.notified().await;
            }
            attempt()
        }
    });
    let run = harness.start(retries());
    harness.advance(MINUTE + 10 * SECOND);
    assert_eq!(log.of("begins"), 1, "it cleans up still");
    clean.notify_one();
    harness.advance(Duration::ZERO);
    assert_eq!(run.result().expect("the second attempt is quick"), 2);
    assert_eq!(harness.elapsed(), MINUTE + 11 * SECOND);
}

#[tokio::test]
async fn outside_a_runtime_nothing_is_cancelled() {
    assert!(!is_cancelled());
    assert!(cancelled().now_or_never().is_none());
}
