//! What a rewind promises: what failed is tried again, what was completed is not, and the run goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo::{Error, ErrorKind, Event, Runtime, Status, activity, fan_out, orchestrator};
use futures::future::join_all;

mod both;
use both::{Kept, events, reaches};

const GO: Event<u32> = Event::new("go");

/// Which inputs fail, and how often each ran.
#[derive(Default)]
struct World {
    broken: BTreeSet<u32>,
    runs: BTreeMap<u32, usize>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn breaks(&self, which: impl IntoIterator<Item = u32>) {
        self.0.lock().expect("nobody panics with it").broken = which.into_iter().collect();
    }

    fn runs(&self) -> Vec<usize> {
        self.0.lock().expect("nobody panics with it").runs.values().copied().collect()
    }
}

/// Works, unless its input is among those that fail.
#[activity]
async fn work(n: u32) -> dacapo::Result<u32> {
    let shared = dacapo::state::<Shared>();
    let mut world = shared.0.lock().expect("nobody panics with it");
    *world.runs.entry(n).or_default() += 1;
    if world.broken.contains(&n) { Err(Error::msg(format!("{n} is broken"))) } else { Ok(n) }
}

/// Works on all, then fails if one has failed.
#[orchestrator]
async fn all(items: Vec<u32>) -> dacapo::Result<u32> {
    let results = join_all(items.into_iter().map(work)).await;
    let mut sum = 0;
    for result in results {
        sum += result?;
    }
    Ok(sum)
}

/// The same, two at a time.
#[orchestrator]
async fn two_at_a_time(items: Vec<u32>) -> dacapo::Result<u32> {
    let results = fan_out(items, work).limit(2).await;
    let mut sum = 0;
    for result in results {
        sum += result?;
    }
    Ok(sum)
}

/// Books (1), and when the payment (2) fails undoes it (3); else ships (4) and waits.
#[orchestrator]
async fn trip() -> dacapo::Result<u32> {
    let booked = work(1).await?;
    if let Err(error) = work(2).await {
        work(3).await?;
        return Err(error);
    }
    let shipped = work(4).await?;
    Ok(booked + shipped + GO.wait().await)
}

#[orchestrator]
async fn waits() -> dacapo::Result<u32> {
    Ok(GO.wait().await)
}

/// One child that may fail, and one that waits.
#[orchestrator]
async fn family() -> dacapo::Result<u32> {
    let (a, b) = dacapo::try_join!(all(vec![1, 2]).id("a"), waits().id("b"))?;
    Ok(a + b)
}

async fn open(kept: &Kept, shared: &Shared) -> Runtime {
    kept.runtime().state(shared.clone()).grace_period(Duration::ZERO).open().await.expect("it opens")
}

async fn only_what_failed_runs_again_over_restarts(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    shared.breaks([2, 4]);
    let runtime = open(&kept, &shared).await;
    let error = runtime.start(all(vec![1, 2, 3, 4, 5])).id("r").await?.result().await.expect_err("two are broken");
    assert_eq!(error.to_string(), "2 is broken");
    runtime.shutdown().await?;

    shared.breaks([4]);
    let runtime = open(&kept, &shared).await;
    runtime.rewind("r", "2 was mended").await?;
    let error = runtime.attach(all, "r").result().await.expect_err("one is still broken");
    assert_eq!(error.to_string(), "4 is broken");
    assert_eq!(shared.runs(), [1, 2, 1, 2, 1]);
    runtime.shutdown().await?;

    shared.breaks([]);
    let runtime = open(&kept, &shared).await;
    runtime.rewind("r", "4, too").await?;
    runtime.shutdown().await?;

    let runtime = open(&kept, &shared).await;
    assert_eq!(runtime.attach(all, "r").result().await?, 15);
    let runs = shared.runs();
    assert_eq!((runs[0], runs[1], runs[2], runs[4]), (1, 2, 1, 1), "what was completed is not run again");
    let told = events(&runtime, "r").await;
    assert_eq!(told.iter().filter(|event| *event == "ExecutionRewound").count(), 2, "{told:?}");
    Ok(())
}

async fn a_window_that_moved_on_keeps_what_it_completed(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    shared.breaks([1, 2, 5]);
    let runtime = open(&kept, &shared).await;
    let run = runtime.start(two_at_a_time((0..10).collect())).id("w").await?;
    run.result().await.expect_err("three are broken");
    runtime.shutdown().await?;

    shared.breaks([]);
    let runtime = open(&kept, &shared).await;
    runtime.rewind("w", "mended").await?;
    assert_eq!(runtime.attach(two_at_a_time, "w").result().await?, 45);
    assert_eq!(shared.runs(), [1, 2, 2, 1, 1, 2, 1, 1, 1, 1]);
    Ok(())
}

async fn code_that_had_acted_upon_the_failure_decides_again(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    shared.breaks([2]);
    let runtime = open(&kept, &shared).await;
    runtime.start(trip()).id("t").await?.result().await.expect_err("it cannot be paid");
    assert_eq!(shared.runs(), [1, 1, 1]);
    shared.breaks([]);
    runtime.rewind("t", "the card is good").await?;
    // It waits now. A restart replays all of it.
    both::until("it has shipped", async || shared.runs() == [1, 2, 1, 1]).await;
    runtime.shutdown().await?;

    let runtime = open(&kept, &shared).await;
    runtime.raise("t", GO, 10).await?;
    assert_eq!(runtime.attach(trip, "t").result().await?, 15);
    assert_eq!(shared.runs(), [1, 2, 1, 1]);
    Ok(())
}

async fn children_that_failed_or_were_ended_with_it_go_on(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    shared.breaks([2]);
    let runtime = open(&kept, &shared).await;
    runtime.start(family()).id("f").await?.result().await.expect_err("a child fails");
    reaches(&runtime, "b", Status::Terminated).await;
    runtime.shutdown().await?;

    shared.breaks([]);
    let runtime = open(&kept, &shared).await;
    runtime.rewind("f", "mended").await?;
    reaches(&runtime, "a", Status::Completed).await;
    runtime.shutdown().await?;

    let runtime = open(&kept, &shared).await;
    runtime.raise("b", GO, 7).await?;
    assert_eq!(runtime.attach(family, "f").result().await?, 10);
    assert_eq!(shared.runs(), [1, 2]);
    Ok(())
}

async fn a_client_of_another_process_rewinds(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    shared.breaks([1]);
    let runtime = open(&kept, &shared).await;
    let client = kept.client().await;
    let run = client.start(all(vec![1])).id("r").await?;
    run.result().await.expect_err("it is broken");
    shared.breaks([]);
    client.rewind("r", "mended").await?;
    assert_eq!(run.result().await?, 1);
    drop(runtime);
    Ok(())
}

async fn what_has_not_failed_is_refused(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    let runtime = open(&kept, &shared).await;
    runtime.start(all(vec![1])).id("done").await?.result().await?;
    runtime.start(waits()).id("runs").await?;
    runtime.start(waits()).id("ended").await?;
    runtime.terminate("ended", "").await?;
    for (id, says) in [("done", "it is Completed"), ("runs", "it is Running"), ("ended", "it is Terminated")] {
        let error = runtime.rewind(id, "").await.expect_err("it is refused");
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(says), "{error}");
    }
    assert!(runtime.rewind("nobody", "").await.expect_err("it is refused").is_not_found());
    runtime.raise("runs", GO, 1).await?;
    assert_eq!(runtime.attach(waits, "runs").result().await?, 1);
    Ok(())
}

both::on_both_stores! {
    only_what_failed_runs_again_over_restarts
    a_window_that_moved_on_keeps_what_it_completed
    code_that_had_acted_upon_the_failure_decides_again
    children_that_failed_or_were_ended_with_it_go_on
    a_client_of_another_process_rewinds
    what_has_not_failed_is_refused
}
