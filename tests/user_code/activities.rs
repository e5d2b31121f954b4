//! Activities whose locals panic when they are dropped: the slot is given back, and the attempt ends as it would have.

use std::sync::Arc;
use std::time::Duration;

use dacapo::testing::Harness;
use dacapo::{Event, Retry, Runtime, activity, orchestrator};
use tokio::sync::Notify;

use crate::both::{Kept, on_both_stores};
use crate::{in_time, increment, still_works, two_steps};

on_both_stores! {
    a_cancelled_attempt_that_panics_in_a_drop_gives_its_slot_back
    an_aborted_attempt_that_panics_in_a_drop_gives_its_slot_back
    an_attempt_that_outlives_its_cancel_grace_gives_its_slot_back
    a_retry_predicate_that_panics_makes_the_failure_final
}

const GO: Event<()> = Event::new("go");

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!dacapo::activity::instance_id().is_empty(), "what an activity can ask is answered while it is dropped");
        if !std::thread::panicking() {
            panic!("a local of the activity");
        }
    }
}

/// Tells that an activity runs.
#[derive(Clone, Default)]
struct Started(Arc<Notify>);

/// How long an attempt may take, where time is virtual.
const HOUR: Duration = Duration::from_secs(3_600);

/// What stands for an activity that does not end.
async fn hangs_with_a_bomb() -> dacapo::Result<()> {
    let _bomb = Bomb;
    std::future::pending().await
}

fn one_slot_in_virtual_time() -> Harness {
    let harness = Harness::new();
    harness.settings(|builder| builder.max_concurrent_activities(1));
    harness.mock_async(too_slow, |()| hangs_with_a_bomb());
    harness.mock_async(silent, |()| hangs_with_a_bomb());
    harness.real(increment);
    harness
}

async fn one_slot(kept: &Kept) -> dacapo::Result<(Runtime, Started)> {
    let started = Started::default();
    let runtime = kept.runtime().max_concurrent_activities(1).cancel_grace(Duration::from_millis(10)).state(started.clone());
    Ok((runtime.open().await?, started))
}

#[activity(retry = Retry::none(), timeout = HOUR)]
async fn too_slow() -> dacapo::Result<()> {
    unreachable!("it is mocked")
}

#[orchestrator]
async fn waits_for_too_slow() -> dacapo::Result<()> {
    too_slow().await
}

#[test]
fn a_timed_out_attempt_that_panics_in_a_drop_fails() {
    let harness = one_slot_in_virtual_time();
    let failure = harness.run(waits_for_too_slow()).expect_err("it is late");
    assert!(failure.to_string().contains("timeout of 3600s"), "{failure}");
    assert_eq!((harness.elapsed(), harness.run(two_steps(1))), (HOUR, Ok(3)), "the worker goes on");
}

#[activity(retry = Retry::none(), heartbeat_timeout = HOUR)]
async fn silent() -> dacapo::Result<()> {
    unreachable!("it is mocked")
}

#[orchestrator]
async fn waits_for_silent() -> dacapo::Result<()> {
    silent().await
}

#[test]
fn a_silent_attempt_that_panics_in_a_drop_fails() {
    let harness = one_slot_in_virtual_time();
    let failure = harness.run(waits_for_silent()).expect_err("it is silent");
    assert!(failure.to_string().contains("heartbeat"), "{failure}");
    assert_eq!((harness.elapsed(), harness.run(two_steps(1))), (HOUR, Ok(3)), "the worker goes on");
}

#[activity]
async fn never_ends() {
    let _bomb = Bomb;
    dacapo::state::<Started>().0.notify_one();
    std::future::pending().await
}

#[orchestrator]
async fn cancels_it() {
    dacapo::select! { () = never_ends() => (), () = GO.wait() => () }
}

async fn a_cancelled_attempt_that_panics_in_a_drop_gives_its_slot_back(kept: Kept) -> dacapo::Result<()> {
    let (runtime, started) = one_slot(&kept).await?;
    let run = runtime.start(cancels_it()).await?;
    in_time("the activity", started.0.notified()).await;
    runtime.raise(run.id(), GO, ()).await?;
    in_time("the end", run.result()).await?;
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

async fn an_aborted_attempt_that_panics_in_a_drop_gives_its_slot_back(kept: Kept) -> dacapo::Result<()> {
    let (runtime, started) = one_slot(&kept).await?;
    let run = runtime.start(cancels_it()).await?;
    in_time("the activity", started.0.notified()).await;
    runtime.terminate(run.id(), "enough").await?;
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

#[activity]
async fn cleans_up_for_ever() {
    let _bomb = Bomb;
    let cancelled = dacapo::activity::cancelled();
    dacapo::state::<Started>().0.notify_one();
    cancelled.await;
    std::future::pending().await
}

#[orchestrator]
async fn cancels_the_cleaner() {
    dacapo::select! { () = cleans_up_for_ever() => (), () = GO.wait() => () }
}

async fn an_attempt_that_outlives_its_cancel_grace_gives_its_slot_back(kept: Kept) -> dacapo::Result<()> {
    let (runtime, started) = one_slot(&kept).await?;
    let run = runtime.start(cancels_the_cleaner()).await?;
    in_time("the activity", started.0.notified()).await;
    runtime.raise(run.id(), GO, ()).await?;
    in_time("the end", run.result()).await?;
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

#[activity(retry = Retry::fixed(Duration::from_millis(1)).max_attempts(3))]
async fn fails() -> Result<(), String> {
    Err("no".into())
}

#[orchestrator]
async fn asks_a_bad_predicate() -> Result<(), String> {
    fails().retry_if(|_: &String| panic!("the predicate")).await
}

async fn a_retry_predicate_that_panics_makes_the_failure_final(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    let failure = in_time("the end", runtime.start(asks_a_bad_predicate()).await?.result()).await.expect_err("it fails");
    assert_eq!(failure, "no");
    still_works(&runtime).await;
    Ok(())
}
