//! What "# Cancel safety" says in the documentation: a future that is dropped after any poll leaves nothing half done, and nobody stuck.

use std::future::{Future, IntoFuture as _};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use dacapo::testing::Harness;
use dacapo::{Client, Error, Event, ReuseId, Runtime, Status, Timetable, activity, entity, orchestrator};
use futures::FutureExt as _;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[path = "../both/mod.rs"]
mod both;
mod orchestrations;
use both::{Kept, on_both_stores, reaches, until};

const GO: Event<u32> = Event::new("go");
const OTHER: Event<u32> = Event::new("other");

/// Takes events until 0 comes.
#[orchestrator]
async fn takes() -> Vec<u32> {
    let mut taken = Vec::new();
    loop {
        match GO.wait().await {
            0 => return taken,
            n => taken.push(n),
        }
    }
}

#[orchestrator]
async fn waits_for_a_child() -> Vec<u32> {
    takes().await
}

#[orchestrator]
async fn echoes(text: String) -> String {
    text
}

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: u32,
}

#[entity]
impl Counter {
    fn add(&mut self, n: u32) -> u32 {
        self.value += n;
        self.value
    }
}

/// Polls a future so many times, with time for others in between, and drops it.
async fn polled<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Some(done) = future.as_mut().now_or_never() {
            return Some(done);
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    None
}

/// After how many polls futures are dropped.
const POLLS: [usize; 5] = [0, 1, 2, 4, 16];

/// Tells the run to end, and resumes it as long as a suspension that was asked for comes late.
async fn ends_with(client: &Client, id: &str, expected: &[&[u32]]) -> dacapo::Result<()> {
    client.raise(id, GO, 0).await?;
    until("the run ends", async || {
        let status = client.status(id).await.expect("it is there").runtime_status();
        if status == Status::Suspended {
            drop(client.resume(id, "it goes on").await);
        }
        status == Status::Completed
    })
    .await;
    let taken = client.attach(takes, id).result().await?;
    assert!(expected.contains(&taken.as_slice()), "{id} took {taken:?}");
    Ok(())
}

async fn a_dropped_write_is_done_or_not_and_the_run_goes_on(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for client in [runtime.client(), kept.client().await] {
        for polls in POLLS {
            let id = new_id();
            polled(client.start(takes()).id(&id).into_future(), polls).await;
            let run = client.start(takes()).id(&id).reuse_id(ReuseId::UseExisting).await?;
            run.started().await?;
            polled(run.raise(GO, 1), polls).await;
            ends_with(&client, &id, &[&[], &[1]]).await?;

            let again = new_id();
            polled(client.restart(&id).id(&again).into_future(), polls).await;
            let run = client.start(takes()).id(&again).reuse_id(ReuseId::UseExisting).await?;
            run.started().await?;
            polled(client.suspend(&again, "a pause"), polls).await;
            polled(client.resume(&again, "it goes on").into_future(), polls).await;
            polled(client.signal(Counter::at(&id).add(1)), polls).await;
            client.signal(Counter::at(&id).add(10)).await?;
            let value =
                async || client.state_of::<Counter>(&id).await.expect("it is readable").map_or(0, |counter| counter.value);
            until("the signal takes effect", async || value().await >= 10).await;
            assert!([10, 11].contains(&value().await), "each takes effect once at most");
            ends_with(&client, &again, &[&[]]).await?;

            polled(client.purge(&id).into_future(), polls).await;
            assert!(client.purge(&id).await.map_or_else(|error| error.is_not_found(), |purged| purged == 1));
        }
    }
    Ok(())
}

async fn a_dropped_end_reaches_all_or_none(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for polls in POLLS {
        let id = new_id();
        let child = format!("{id}:1");
        for end in [false, true] {
            let start = runtime.start(waits_for_a_child()).id(&id).reuse_id(ReuseId::ReplaceAny);
            if end {
                polled(start.into_future(), polls).await;
                // The earlier one may have ended with nothing in its place.
                let start = runtime.start(waits_for_a_child()).id(&id).reuse_id(ReuseId::ReplaceAny);
                start.await?;
            } else {
                start.await?;
            }
            reaches(&runtime, &child, Status::Running).await;
        }
        polled(runtime.terminate(&id, "enough"), polls).await;
        let is_running = runtime.status(&id).await?.runtime_status() == Status::Running;
        if is_running {
            drop(runtime.terminate(&id, "enough").await);
        }
        reaches(&runtime, &child, Status::Terminated).await;
        reaches(&runtime, &id, Status::Terminated).await;
    }
    Ok(())
}

async fn a_dropped_change_of_a_schedule_leaves_one_that_works(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for polls in POLLS {
        let schedule = runtime.schedule(new_id());
        let yearly = || Timetable::cron("0 0 1 1 *");
        polled(schedule.create(yearly(), takes()).into_future(), polls).await;
        drop(schedule.create(yearly(), takes()).await);
        polled(schedule.pause("holidays"), polls).await;
        polled(schedule.trigger(), polls).await;
        schedule.describe().await?;
        polled(schedule.delete(), polls).await;
        drop(schedule.delete().await);
        assert!(schedule.describe().await.is_err_and(|error| error.is_not_found()));
    }
    Ok(())
}

async fn waits_that_are_dropped_and_begun_again_find_the_end(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for client in [runtime.client(), kept.client().await] {
        let run = client.start(takes()).await?;
        until("it has begun", async || polled(run.started(), 8).await.is_some()).await;
        run.raise(GO, 7).await?;
        assert!(polled(run.result(), 3).await.is_none() && polled(client.wait(run.id()), 3).await.is_none());
        run.raise(GO, 0).await?;
        until("it has ended", async || polled(run.result(), 8).await.is_some_and(|taken| taken == Ok(vec![7]))).await;
        until("it has ended", async || polled(client.wait(run.id()), 8).await.is_some()).await;
    }
    Ok(())
}

async fn a_dropped_call_takes_effect_once_or_not_at_all(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for polls in POLLS {
        let key = new_id();
        let added = polled(runtime.call(Counter::at(&key).add(1)), polls).await;
        assert!(added.is_none_or(|added| added == Ok(1)));
        // One caller's operations keep their order, so the dropped one has taken effect by now, or never does.
        let value = runtime.call(Counter::at(&key).add(10)).await?;
        assert!([10, 11].contains(&value), "{value}");
        assert_eq!(runtime.call(Counter::at(&key).add(0)).await?, value);
    }
    Ok(())
}

/// Which of the parts are broken: any, until they are mended.
#[derive(Clone, Default)]
struct Mended(Arc<AtomicBool>);

#[activity]
async fn part(n: u32) -> dacapo::Result<u32> {
    if dacapo::state::<Mended>().0.load(SeqCst) { Ok(n) } else { Err(Error::msg("broken")) }
}

#[orchestrator]
async fn one_part(n: u32) -> dacapo::Result<u32> {
    part(n).await
}

#[orchestrator]
async fn three_parts() -> dacapo::Result<u32> {
    let mut sum = 0;
    for result in join_all((1..4).map(one_part)).await {
        sum += result?;
    }
    Ok(sum)
}

async fn a_dropped_rewind_is_finished_by_the_next(kept: Kept) -> dacapo::Result<()> {
    let mended = Mended::default();
    let runtime = kept.runtime().state(mended.clone()).open().await?;
    for client in [runtime.client(), kept.client().await] {
        for polls in POLLS {
            mended.0.store(false, SeqCst);
            let run = runtime.start(three_parts()).await?;
            run.result().await.expect_err("they are broken");
            mended.0.store(true, SeqCst);
            polled(client.rewind(run.id(), "mended"), polls).await;
            until("it is rewound", async || {
                drop(client.rewind(run.id(), "mended").await);
                client.status(run.id()).await.is_ok_and(|status| status.runtime_status() != Status::Failed)
            })
            .await;
            assert_eq!(run.result().await?, 6, "dropped after {polls} polls");
        }
    }
    Ok(())
}

async fn a_dropped_purge_of_a_query_leaves_whole_runs_for_the_next(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for client in [runtime.client(), kept.client().await] {
        for polls in POLLS {
            let input = "long ".repeat(20_000);
            for run in join_all((0..12).map(|_| client.start(echoes(input.clone())).into_future())).await {
                assert_eq!(run?.result().await?, input);
            }
            polled(client.query().finished().page_size(5).purge(), polls).await;
            for left in client.query().page_size(100).await?.instances() {
                let is_whole = client.attach(echoes, left.instance_id()).result().await.is_ok_and(|output| output == input);
                // One that is still being purged is gone then.
                assert!(is_whole || client.status(left.instance_id()).await.is_err_and(|error| error.is_not_found()));
            }
            client.query().finished().purge().await?;
            assert!(client.query().await?.instances().is_empty());
        }
    }
    Ok(())
}

on_both_stores! {
    a_dropped_call_takes_effect_once_or_not_at_all
    a_dropped_rewind_is_finished_by_the_next
    a_dropped_purge_of_a_query_leaves_whole_runs_for_the_next
    a_dropped_write_is_done_or_not_and_the_run_goes_on
    a_dropped_end_reaches_all_or_none
    a_dropped_change_of_a_schedule_leaves_one_that_works
    waits_that_are_dropped_and_begun_again_find_the_end
}

#[tokio::test]
async fn a_dropped_open_or_shutdown_leaves_the_store_to_the_next() -> dacapo::Result<()> {
    let kept = Kept::file();
    for polls in POLLS {
        polled(kept.runtime().open(), polls).await;
        let mut opened = None;
        until("the store is free", async || {
            opened = kept.runtime().open().await.ok();
            opened.is_some()
        })
        .await;
        let runtime: Runtime = opened.expect("it was opened");
        let id = new_id();
        runtime.start(takes()).id(&id).await?;
        polled(runtime.shutdown(), polls).await;
        until("the store is free", async || match kept.runtime().open().await {
            Ok(runtime) => ends_with(&runtime, &id, &[&[]]).await.is_ok() && runtime.shutdown().await.is_ok(),
            Err(_) => false,
        })
        .await;
    }
    Ok(())
}

/// Races two events; the loser is waited for again.
#[orchestrator]
async fn races() -> (u32, u32) {
    let first = dacapo::select! { n = OTHER.wait() => n, n = GO.wait() => n };
    (first, GO.wait().await)
}

#[test]
fn an_event_that_came_for_a_dropped_wait_is_taken_by_the_next() {
    let harness = Harness::new();
    let run = harness.start(races());
    let raised = harness.client(|client| async move {
        client.suspend("run-1", "both come at once").await?;
        client.raise("run-1", OTHER, 1).await?;
        client.raise("run-1", GO, 2).await?;
        client.resume("run-1", "now").await
    });
    raised.expect("it waits");
    assert_eq!(run.result().expect("both came"), (1, 2));
}

/// An instance id of its own.
fn new_id() -> String {
    static LAST: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("run {}", LAST.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
}
