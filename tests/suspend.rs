//! What suspending promises: running activities go on and their results are kept, nothing is started, events and timers wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use dacapo::{ErrorKind, Event, Runtime, Status, activity, orchestrator};
use tokio::sync::Notify;

mod both;
use both::{Kept, events, reaches};

const GO: Event<u32> = Event::new("go");

/// What the activities do, seen and steered from outside.
#[derive(Default)]
struct Stage {
    runs: AtomicUsize,
    entered: Notify,
    gate: Notify,
}

struct Shared(Arc<Stage>);

fn stage() -> Arc<Stage> {
    dacapo::state::<Shared>().0.clone()
}

/// Waits at the gate.
#[activity]
async fn slow(n: u32) -> u32 {
    let stage = stage();
    stage.runs.fetch_add(1, Ordering::SeqCst);
    stage.entered.notify_one();
    stage.gate.notified().await;
    n + 1
}

#[activity]
async fn quick(n: u32) -> u32 {
    stage().runs.fetch_add(1, Ordering::SeqCst);
    n * 10
}

/// Two steps, the first of which can be held.
#[orchestrator]
async fn steps(n: u32) -> u32 {
    let n = slow(n).await;
    quick(n).await
}

#[orchestrator]
async fn collects() -> Vec<u32> {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(GO.wait().await);
    }
    all
}

/// The time at which it wakes.
#[orchestrator]
async fn naps(length: Duration) -> SystemTime {
    dacapo::sleep(length).await;
    dacapo::now()
}

#[orchestrator]
async fn calls_a_child() -> u32 {
    steps(1).id("child").await
}

async fn open(kept: &Kept, stage: &Arc<Stage>) -> Runtime {
    kept.runtime().state(Shared(stage.clone())).grace_period(Duration::ZERO).open().await.expect("it opens")
}

async fn a_running_activity_goes_on_and_its_result_is_kept(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    let run = runtime.start(steps(1)).id("s").await?;
    stage.entered.notified().await;
    runtime.suspend("s", "incident").await?;
    assert_eq!(run.status().await?.runtime_status(), Status::Suspended);
    stage.gate.notify_one();
    kept.inbox_reaches(1).await;
    assert_eq!(stage.runs.load(Ordering::SeqCst), 1, "nothing was started");
    assert_eq!(events(&runtime, "s").await, ["ExecutionStarted", "TaskScheduled", "ExecutionSuspended"]);
    runtime.resume("s", "over").await?;
    assert_eq!(run.result().await?, 20);
    assert_eq!(stage.runs.load(Ordering::SeqCst), 2, "the result was kept, not made again");
    let told = events(&runtime, "s").await;
    assert_eq!(told[3..5], ["ExecutionResumed", "TaskCompleted"], "{told:?}");
    Ok(())
}

async fn a_result_that_came_while_suspended_survives_a_restart(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    runtime.start(steps(1)).id("s").await?;
    stage.entered.notified().await;
    runtime.suspend("s", "incident").await?;
    stage.gate.notify_one();
    kept.inbox_reaches(1).await;
    runtime.shutdown().await?;

    let runtime = open(&kept, &stage).await;
    assert_eq!(runtime.status("s").await?.runtime_status(), Status::Suspended, "a restart does not resume");
    runtime.resume("s", "over").await?;
    assert_eq!(runtime.attach(steps, "s").result().await?, 20);
    assert_eq!(stage.runs.load(Ordering::SeqCst), 2, "the result was kept, not made again");
    Ok(())
}

async fn an_activity_that_a_crash_interrupts_runs_again_after_the_resumption_only(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    runtime.start(steps(1)).id("s").await?;
    stage.entered.notified().await;
    runtime.suspend("s", "incident").await?;
    runtime.shutdown().await?;

    let runtime = open(&kept, &stage).await;
    runtime.start(naps(Duration::ZERO)).await?.result().await?;
    assert_eq!(stage.runs.load(Ordering::SeqCst), 1, "a suspended run is left alone");
    runtime.resume("s", "over").await?;
    stage.entered.notified().await;
    stage.gate.notify_one();
    assert_eq!(runtime.attach(steps, "s").result().await?, 20);
    Ok(())
}

async fn events_wait_in_order_over_a_restart(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    let run = runtime.start(collects()).id("c").await?;
    run.raise(GO, 1).await?;
    runtime.suspend("c", "incident").await?;
    run.raise(GO, 2).await?;
    runtime.shutdown().await?;

    let runtime = open(&kept, &stage).await;
    runtime.raise("c", GO, 3).await?;
    assert_eq!(runtime.status("c").await?.runtime_status(), Status::Suspended);
    runtime.resume("c", "over").await?;
    assert_eq!(runtime.attach(collects, "c").result().await?, [1, 2, 3]);
    Ok(())
}

/// On a busy machine a short nap may be over before the suspension; a longer one is not.
async fn a_timer_due_meanwhile_fires_after_the_resumption(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    for milliseconds in [30, 1_000, 10_000] {
        let length = Duration::from_millis(milliseconds);
        let run = runtime.start(naps(length)).id(milliseconds.to_string()).await?;
        if runtime.suspend(run.id(), "incident").await.is_err() {
            continue;
        }
        tokio::time::sleep(length).await;
        assert_eq!(events(&runtime, run.id()).await, ["ExecutionStarted", "TimerCreated", "ExecutionSuspended"]);
        let resumed = SystemTime::now();
        runtime.resume(run.id(), "over").await?;
        assert!(run.result().await? >= resumed, "it fired when the run went on");
        return Ok(());
    }
    panic!("ten seconds were not enough to suspend a run");
}

async fn what_does_not_fit_the_state_is_refused_and_changes_nothing(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    let run = runtime.start(collects()).id("c").await?;
    let refused = async |result: Result<(), dacapo::RuntimeError>, kind, says: &str| {
        let error = result.expect_err("it is refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    refused(runtime.resume("c", "").await, ErrorKind::Invalid, "`c`: it is not suspended").await;
    refused(runtime.suspend("nobody", "").await, ErrorKind::NotFound, "`nobody`").await;
    runtime.suspend("c", "incident").await?;
    refused(runtime.suspend("c", "again").await, ErrorKind::Invalid, "`c`: it is already suspended").await;
    runtime.resume("c", "over").await?;
    for n in [1, 2] {
        run.raise(GO, n).await?;
    }
    refused(runtime.resume("c", "again").await, ErrorKind::Invalid, "not suspended").await;
    run.raise(GO, 3).await?;
    assert_eq!(run.result().await?, [1, 2, 3]);
    refused(runtime.suspend("c", "late").await, ErrorKind::Finished, "`c` has completed already").await;
    refused(runtime.resume("c", "late").await, ErrorKind::Finished, "`c` has completed already").await;
    Ok(())
}

async fn a_suspended_run_can_be_terminated(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    let run = runtime.start(collects()).id("c").await?;
    runtime.suspend("c", "incident").await?;
    runtime.terminate("c", "given up").await?;
    let failure = run.result().await.expect_err("it was terminated");
    assert_eq!(failure.message(), "terminated: given up");
    Ok(())
}

async fn a_child_goes_on_and_its_result_waits(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    let run = runtime.start(calls_a_child()).id("p").await?;
    stage.entered.notified().await;
    runtime.suspend("p", "incident").await?;
    stage.gate.notify_one();
    reaches(&runtime, "child", Status::Completed).await;
    assert_eq!(run.status().await?.runtime_status(), Status::Suspended);
    runtime.resume("p", "over").await?;
    assert_eq!(run.result().await?, 20);
    Ok(())
}

async fn a_client_of_another_process_suspends_and_resumes(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    let client = kept.client().await;
    let run = runtime.start(collects()).id("c").await?;
    client.suspend("c", "incident").await?;
    reaches(&client, "c", Status::Suspended).await;
    assert_eq!(client.suspend("c", "again").await.expect_err("it is refused").kind(), ErrorKind::Invalid);
    for n in [1, 2, 3] {
        client.raise("c", GO, n).await?;
    }
    client.resume("c", "over").await?;
    assert_eq!(run.result().await?, [1, 2, 3]);
    Ok(())
}

async fn what_another_process_asks_for_after_a_suspension_is_not_left(kept: Kept) -> dacapo::Result<()> {
    let stage = Arc::new(Stage::default());
    let runtime = open(&kept, &stage).await;
    for id in ["ends", "goes on"] {
        runtime.start(collects()).id(id).await?;
    }
    runtime.shutdown().await?;
    let client = kept.client().await;
    for id in ["ends", "goes on"] {
        client.suspend(id, "for now").await?;
    }
    client.terminate("ends", "called off").await?;
    client.suspend("goes on", "said twice").await?;

    let runtime = open(&kept, &stage).await;
    reaches(&runtime, "ends", Status::Terminated).await;
    reaches(&runtime, "goes on", Status::Suspended).await;
    runtime.resume("goes on", "on").await?;
    for n in 1..=3 {
        runtime.raise("goes on", GO, n).await?;
    }
    assert_eq!(runtime.attach(collects, "goes on").result().await?, [1, 2, 3]);
    Ok(())
}

both::on_both_stores! {
    what_another_process_asks_for_after_a_suspension_is_not_left
    a_running_activity_goes_on_and_its_result_is_kept
    a_result_that_came_while_suspended_survives_a_restart
    an_activity_that_a_crash_interrupts_runs_again_after_the_resumption_only
    events_wait_in_order_over_a_restart
    a_timer_due_meanwhile_fires_after_the_resumption
    what_does_not_fit_the_state_is_refused_and_changes_nothing
    a_suspended_run_can_be_terminated
    a_child_goes_on_and_its_result_waits
    a_client_of_another_process_suspends_and_resumes
}
