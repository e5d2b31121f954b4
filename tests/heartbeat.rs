//! What heartbeats promise: a silent attempt is given up, and the next one knows how far the last one came.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dacapo::activity::{attempt, heartbeat, last_heartbeat};
use dacapo::store::{Lookup, Store};
use dacapo::testing::Harness;
use dacapo::{Event, Retry, Runtime, activity, orchestrator};
use tokio::sync::Notify;

mod both;
use both::{Kept, until};

const AGAIN: Retry = Retry::fixed(Duration::from_millis(1)).max_attempts(3);

#[derive(Clone, Default)]
struct Stage(Arc<(AtomicUsize, Notify)>);

/// Says nothing in its first attempt.
#[activity(heartbeat_timeout = Duration::from_millis(60), retry = AGAIN)]
async fn silent_at_first() -> u32 {
    if attempt() == 1 {
        std::future::pending::<()>().await;
    }
    attempt()
}

#[activity(heartbeat_timeout = Duration::from_secs(30))]
async fn lively() -> u32 {
    0
}

/// Copies ten things, and fails after each third one that it copies.
#[activity(retry = AGAIN.max_attempts(9))]
async fn copies() -> dacapo::Result<Vec<u32>> {
    let begun: u32 = last_heartbeat().unwrap_or(0);
    let mut copied = Vec::new();
    for n in begun..10 {
        if copied.len() == 3 {
            return Err(dacapo::Error::msg("the line broke"));
        }
        copied.push(n);
        heartbeat(&(n + 1));
    }
    Ok(copied)
}

/// Copies four things and then waits to be killed; the next attempt tells where it goes on.
#[activity]
async fn goes_on() -> u32 {
    let stage = dacapo::state::<Stage>();
    if stage.0.0.fetch_add(1, Ordering::SeqCst) == 0 {
        heartbeat(&4_u32);
        stage.0.1.notified().await;
    }
    last_heartbeat().unwrap_or(0)
}

#[orchestrator]
async fn calls(which: String) -> dacapo::Result<u32> {
    Ok(match which.as_str() {
        "silent_at_first" => silent_at_first().checked().await?,
        "silent" => silent_at_first().retry(Retry::none()).checked().await?,
        "silent by the call" => hangs().heartbeat_timeout(Duration::from_millis(60)).checked().await?,
        "lively" => lively().checked().await?,
        "goes_on" => goes_on().checked().await?,
        _ => copies().await?.into_iter().sum(),
    })
}

#[activity]
async fn hangs() -> u32 {
    std::future::pending().await
}

async fn open(kept: &Kept, stage: &Stage) -> Runtime {
    kept.runtime().state(stage.clone()).grace_period(Duration::ZERO).open().await.expect("it opens")
}

async fn stored(store: &dyn Store, id: &str) -> usize {
    store.load(Lookup::Id(id.into())).await.expect("it is readable").map_or(0, |stored| stored.heartbeats.len())
}

/// Says something once and never ends.
#[activity]
async fn speaks_and_hangs() {
    heartbeat(&1_u32);
    std::future::pending().await
}

const GO: Event<()> = Event::new("go");

#[orchestrator]
async fn gives_up() {
    dacapo::select! { () = GO.wait() => (), () = speaks_and_hangs() => () }
    // The run goes on, so that it is not its end that deletes.
    GO.wait().await;
}

async fn what_a_cancelled_call_has_said_is_deleted_with_it(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept, &Stage::default()).await;
    let run = runtime.start(gives_up()).id("g").await?;
    let store = kept.store().await;
    until("it is written", async || stored(&*store, "g").await == 1).await;
    run.raise(GO, ()).await?;
    assert_eq!(stored(&*store, "g").await, 0, "in the same transaction");
    Ok(())
}

async fn a_run_that_ends_while_it_is_set_aside_leaves_no_heartbeats(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept, &Stage::default()).await;
    runtime.start(gives_up()).id("g").await?;
    let store = kept.store().await;
    until("it is written", async || stored(&*store, "g").await == 1).await;
    runtime.suspend("g", "").await?;
    runtime.terminate("g", "").await?;
    assert_eq!(stored(&*store, "g").await, 0, "in the same transaction");
    Ok(())
}

async fn a_silent_attempt_is_retried_as_a_timeout(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept, &Stage::default()).await;
    assert_eq!(runtime.start(calls("silent_at_first".into())).await?.result().await?, 2);
    for which in ["silent", "silent by the call"] {
        let run = runtime.start(calls(which.into())).id(which).await?;
        let error = run.result().await.expect_err("it is not tried again");
        let name = if which == "silent" { "silent_at_first" } else { "hangs" };
        let says = format!("`{name}` sent no heartbeat for its heartbeat timeout of 60ms");
        assert!(error.to_string().contains(&says), "{error}");
        let failure = error.failure().expect("the engine made it");
        assert_eq!(failure.kind(), dacapo::FailureKind::Timeout);
    }
    Ok(())
}

#[test]
fn one_that_lives_may_take_long() {
    let (harness, says) = (Harness::new(), Arc::new(Notify::new()));
    let heard = says.clone();
    harness.mock_async(lively, move |()| {
        let says = heard.clone();
        async move {
            for n in 0..10 {
                says.notified().await;
                heartbeat(&n);
            }
            attempt()
        }
    });
    let run = harness.start(calls("lively".into()));
    for _ in 0..10 {
        harness.advance(Duration::from_secs(29));
        says.notify_one();
        harness.advance(Duration::ZERO);
    }
    assert_eq!(run.result().expect("it lives"), 1, "in its first attempt");
    assert_eq!(harness.elapsed(), Duration::from_secs(290));
}

async fn the_next_attempt_goes_on_where_the_last_one_failed(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept, &Stage::default()).await;
    let run = runtime.start(calls("copies".into())).id("c").await?;
    assert_eq!(run.result().await?, 9, "the fourth attempt had only the last one to copy");
    let store = kept.store().await;
    until("nothing is kept of it", async || stored(&*store, "c").await == 0).await;
    Ok(())
}

async fn the_next_attempt_goes_on_after_a_crash(kept: Kept) -> dacapo::Result<()> {
    let stage = Stage::default();
    let runtime = open(&kept, &stage).await;
    runtime.start(calls("goes_on".into())).id("g").await?;
    let store = kept.store().await;
    until("it is written", async || stored(&*store, "g").await == 1).await;
    drop(runtime);
    store.close().await?;

    let runtime = open(&kept, &stage).await;
    assert_eq!(runtime.attach(calls, "g").result().await?, 4);
    let store = kept.store().await;
    assert_eq!(stored(&*store, "g").await, 0, "nothing is kept of what is over");
    Ok(())
}

both::on_both_stores! {
    what_a_cancelled_call_has_said_is_deleted_with_it
    a_run_that_ends_while_it_is_set_aside_leaves_no_heartbeats
    a_silent_attempt_is_retried_as_a_timeout
    the_next_attempt_goes_on_where_the_last_one_failed
    the_next_attempt_goes_on_after_a_crash
}
