//! What a start can ask for: an id used again, a later time, a start once more.

use std::future::IntoFuture as _;
use std::time::{Duration, SystemTime};

use dacapo::{ErrorKind, Event, ReuseId, Runtime, Status, activity, orchestrator};
use futures::FutureExt as _;
use futures::future::{FusedFuture as _, join_all};

mod both;
use both::{Kept, events, reaches};

const GO: Event<u32> = Event::new("go");

#[orchestrator]
async fn double(n: u32) -> u32 {
    2 * n
}

#[orchestrator]
async fn waits() -> u32 {
    GO.wait().await
}

/// Waits for a child, whose id is made from this one's.
#[orchestrator]
async fn family() -> u32 {
    waits().await
}

/// The time of its first turn, in microseconds.
#[orchestrator]
async fn tells_the_time() -> u64 {
    micros(dacapo::now())
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_micros()).expect("it is before the end of time")
}

async fn open(kept: &Kept) -> Runtime {
    kept.runtime().grace_period(Duration::ZERO).open().await.expect("it opens")
}

async fn an_id_is_used_again_as_the_policy_says(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let start = |n, reuse| runtime.start(double(n)).id("one").reuse_id(reuse);
    assert_eq!(start(1, ReuseId::UseExisting).await?.result().await?, 2, "there was none");
    assert_eq!(start(2, ReuseId::UseExisting).await?.result().await?, 2, "there is one");
    let error = start(3, ReuseId::Refuse).await.expect_err("it is taken");
    assert!(error.is_already_exists(), "{error}");
    assert_eq!(start(4, ReuseId::ReplaceTerminal).await?.result().await?, 8);
    assert_eq!(start(5, ReuseId::ReplaceAny).await?.result().await?, 10);
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    assert_eq!(events(&runtime, "one").await, ["ExecutionStarted", "ExecutionCompleted"], "nothing of the earlier ones is left");
    let error = runtime.start(waits()).id("one").reuse_id(ReuseId::UseExisting).await.expect_err("it is another");
    assert!(error.is_already_exists() && error.to_string().contains("is a run of `double`, not of `waits`"), "{error}");
    Ok(())
}

async fn an_unfinished_one_is_replaced_only_when_that_is_asked_for(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let first = runtime.start(family()).id("f").await?;
    let again = runtime.start(family()).id("f").reuse_id(ReuseId::ReplaceAny).into_future();
    let (failure, again) = futures::join!(first.result(), again);
    assert_eq!(failure.expect_err("it was terminated").message(), "terminated: it is replaced by a new start");
    assert_eq!(again?.id(), "f");
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    let error = runtime.start(family()).id("f").reuse_id(ReuseId::ReplaceTerminal).await.expect_err("it runs");
    assert!(error.is_already_exists(), "{error}");
    let run = runtime.start(family()).id("f").reuse_id(ReuseId::ReplaceAny).await?;
    runtime.raise("f:1", GO, 7).await?;
    assert_eq!(run.result().await?, 7, "its child is a new one, too");
    Ok(())
}

/// Who has started a run asks for that one, whatever has its id by now.
async fn a_handle_stands_for_the_run_it_has_started(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    for client in [runtime.client(), kept.client().await] {
        let first = client.start(double(1)).id("h").reuse_id(ReuseId::ReplaceTerminal).await?;
        assert_eq!(first.result().await?, 2);
        let second = client.start(double(2)).id("h").reuse_id(ReuseId::ReplaceTerminal).await?;
        assert_eq!(second.result().await?, 4);
        let gone = "this run of `h` was purged, or a later start has taken its place";
        assert_eq!(first.result().await.expect_err("it is gone").message(), gone);
        assert_eq!(first.status().await.expect_err("it is gone").to_string(), gone);
        assert_eq!(client.attach(double, "h").result().await?, 4);
    }
    Ok(())
}

async fn starts_of_one_id_at_one_time_all_end_well(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    for client in [runtime.client(), kept.client().await] {
        for reuse in [ReuseId::UseExisting, ReuseId::ReplaceAny] {
            for round in 0..5 {
                let id = format!("{reuse:?} {round}");
                let starts = (0..6).map(|_| client.start(waits()).id(&id).reuse_id(reuse).into_future());
                for started in join_all(starts).await {
                    assert_eq!(started?.id(), id);
                }
            }
        }
    }
    Ok(())
}

/// Takes a moment, not always the same.
#[activity]
async fn echo(n: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(1 + n % 3)).await;
    n
}

#[orchestrator]
async fn echoes(n: u64) -> Vec<u64> {
    join_all((0..20).map(|_| echo(n))).await
}

async fn a_result_of_a_replaced_run_is_not_that_of_the_next(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    for n in 0..150 {
        let run = runtime.start(echoes(n)).id("e").reuse_id(ReuseId::ReplaceAny).await?;
        match n % 3 {
            2 => assert_eq!(run.result().await?, vec![n; 20]),
            _ => tokio::time::sleep(Duration::from_micros(n * 977 % 3500)).await,
        }
    }
    Ok(())
}

async fn a_run_that_is_replaced_again_and_again_is_there_all_the_time(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(double(0)).id("s").await?;
    let replaces = async {
        for n in 0..100 {
            runtime.start(double(n)).id("s").reuse_id(ReuseId::ReplaceAny).await?;
            tokio::task::yield_now().await;
        }
        Ok::<_, dacapo::RuntimeError>(())
    };
    let mut replaces = std::pin::pin!(replaces.fuse());
    let mut asked = 0;
    while !replaces.is_terminated() {
        tokio::select! {
            replaced = &mut replaces => replaced?,
            status = runtime.status("s") => {
                status?;
                asked += 1;
            }
        }
    }
    assert!(asked > 0);
    Ok(())
}

/// Whoever asks for an id that does not exist yet is told so, and holds up nobody who starts it.
async fn questions_for_an_id_do_not_hold_up_its_start(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    for round in 0..30 {
        let id = format!("asked for {round}");
        let asks = async {
            while let Err(error) = runtime.raise(&id, GO, 1).await {
                assert!(error.is_not_found(), "{error}");
            }
        };
        let starts = async {
            tokio::task::yield_now().await;
            runtime.start(waits()).id(&id).await
        };
        let ((), run) = futures::join!(asks, starts);
        assert_eq!(run?.result().await?, 1);
    }
    Ok(())
}

async fn a_client_of_another_process_replaces_too(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let client = kept.client().await;
    client.start(waits()).id("w").await?.started().await?;
    let run = client.start(waits()).id("w").reuse_id(ReuseId::ReplaceAny).await?;
    run.started().await?;
    client.raise("w", GO, 3).await?;
    assert_eq!(run.result().await?, 3);
    drop(runtime);
    Ok(())
}

async fn a_scheduled_start_waits_over_a_restart(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let (at, in_an_hour) = (SystemTime::now() + Duration::from_millis(120), SystemTime::now() + Duration::from_secs(3600));
    runtime.start(tells_the_time()).id("later").at(at).await?;
    let run = runtime.start(tells_the_time()).id("much later").at(in_an_hour).await?;
    let status = run.status().await?;
    assert_eq!(status.runtime_status(), Status::Pending);
    assert!(status.created_at() < in_an_hour && status.last_updated_at() < in_an_hour);
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    let run = runtime.attach(tells_the_time, "later");
    assert_eq!(events(&runtime, "much later").await, ["ExecutionStarted"], "it has not begun");
    run.started().await?;
    assert!(SystemTime::now() >= at);
    assert_eq!(run.result().await?, micros(at), "it sees the time that was asked for");
    assert_eq!(runtime.status("much later").await?.runtime_status(), Status::Pending);
    Ok(())
}

/// The time of its first turn, said after an event.
#[orchestrator]
async fn tells_when_it_began() -> u64 {
    let began = dacapo::now();
    GO.wait().await;
    micros(began)
}

/// The first turn of what is asked for while no worker runs sees that time, and ends when it has run.
async fn what_waited_for_a_worker_ends_when_it_has_run(kept: Kept) -> dacapo::Result<()> {
    open(&kept).await.shutdown().await?;
    let client = kept.client().await;
    let ends = client.start(tells_the_time()).id("ends").await?;
    client.start(tells_when_it_began()).id("goes on").await?;
    let opened = SystemTime::now();

    let runtime = open(&kept).await;
    let asked = ends.status().await?.created_at();
    assert_eq!(ends.result().await?, micros(asked));
    let status = runtime.status("ends").await?;
    assert!(status.last_updated_at() >= opened, "{status:?}");
    runtime.attach(tells_when_it_began, "goes on").started().await?;
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    runtime.raise("goes on", GO, 1).await?;
    let asked = runtime.status("goes on").await?.created_at();
    assert_eq!(runtime.attach(tells_when_it_began, "goes on").result().await?, micros(asked), "a replay sees the same");
    Ok(())
}

async fn a_scheduled_start_can_be_told_things_before(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let later = Duration::from_millis(80);
    let waiting = runtime.start(waits()).id("waiting").after(Duration::from_secs(3600)).await?;
    waiting.raise(GO, 5).await?;
    assert_eq!(waiting.status().await?.runtime_status(), Status::Pending, "an event does not start it");
    let run = runtime.start(waits()).id("told").after(later).await?;
    run.raise(GO, 5).await?;
    let held = runtime.start(waits()).id("held").after(later).await?;
    runtime.suspend("held", "not now").await?;
    runtime.start(waits()).id("never").after(later).await?;
    runtime.terminate("never", "called off").await?;
    assert_eq!(run.result().await?, 5);
    assert_eq!(reaches(&runtime, "held", Status::Suspended).await.runtime_status(), Status::Suspended);
    runtime.resume("held", "now").await?;
    held.raise(GO, 6).await?;
    assert_eq!(held.result().await?, 6);
    assert_eq!(runtime.status("never").await?.runtime_status(), Status::Terminated);
    Ok(())
}

async fn a_restart_has_the_same_input(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(double(21)).id("one").tag("tenant", "acme").await?.result().await?;
    runtime.start(waits()).id("runs").await?;
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    assert_eq!(runtime.restart("one").await?, "one");
    assert_eq!(runtime.attach(double, "one").result().await?, 42);
    let other = runtime.restart("one").new_id().await?;
    assert_eq!(runtime.attach(double, &other).result().await?, 42);
    assert_eq!(runtime.status(&other).await?.tags().get("tenant").map(String::as_str), Some("acme"));
    runtime.restart("runs").id("also runs").await?;
    let kind = |result: Result<String, dacapo::RuntimeError>| result.expect_err("it is refused").kind();
    assert_eq!(kind(runtime.restart("runs").await), ErrorKind::AlreadyExists);
    assert_eq!(kind(runtime.restart("one").id(&other).await), ErrorKind::AlreadyExists);
    assert_eq!(kind(runtime.restart("one").id("a/b").await), ErrorKind::Invalid);
    assert_eq!(kind(runtime.restart("nobody").await), ErrorKind::NotFound);
    Ok(())
}

both::on_both_stores! {
    an_id_is_used_again_as_the_policy_says
    an_unfinished_one_is_replaced_only_when_that_is_asked_for
    a_handle_stands_for_the_run_it_has_started
    starts_of_one_id_at_one_time_all_end_well
    a_result_of_a_replaced_run_is_not_that_of_the_next
    a_run_that_is_replaced_again_and_again_is_there_all_the_time
    questions_for_an_id_do_not_hold_up_its_start
    a_client_of_another_process_replaces_too
    a_scheduled_start_waits_over_a_restart
    what_waited_for_a_worker_ends_when_it_has_run
    a_scheduled_start_can_be_told_things_before
    a_restart_has_the_same_input
}
