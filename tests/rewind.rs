//! What a rewind promises: what failed is tried again, what was completed is not, and the run goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo::store::Event as Recorded;
use dacapo::{Error, ErrorKind, Event, ReuseId, Runtime, Status, activity, entity, fan_out, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

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

#[derive(Default, Serialize, Deserialize)]
struct Tally {
    value: i64,
}

#[entity]
impl Tally {
    fn add(&mut self, n: i64) -> i64 {
        self.value += n;
        self.value
    }
}

/// Acts in every way upon the failure of 2.
#[orchestrator]
async fn acts_upon_it(key: String) -> dacapo::Result<u32> {
    let Err(error) = work(2).await else { return Ok(0) };
    let sum = Tally::at(&key).add(1).await;
    Tally::at(&key).add(10).signal();
    dacapo::sleep(Duration::from_millis(5)).await;
    let drawn = dacapo::side_effect(|| std::hash::RandomState::new().hash_one(sum) % 1_000_000);
    work(3 + u32::try_from(drawn).unwrap_or(0)).await?;
    Err(error)
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

async fn what_was_done_about_a_failure_is_not_done_again(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    shared.breaks([2]);
    let runtime = open(&kept, &shared).await;
    runtime.start(acts_upon_it("t".into())).id("a").await?.result().await.expect_err("2 is broken");
    runtime.shutdown().await?;
    for rewinds in 1..=3 {
        let runtime = open(&kept, &shared).await;
        runtime.rewind("a", "still broken").await?;
        let error = runtime.attach(acts_upon_it, "a").result().await.expect_err("2 is broken");
        assert_eq!(error.to_string(), "2 is broken");
        assert_eq!(shared.runs(), [1 + rewinds, 1], "only the broken one runs again, and what was drawn is drawn once");
        assert_eq!(runtime.state_of::<Tally>("t").await?.expect("it has a state").value, 11, "it is told once");
        let timers = |event: &Recorded| matches!(event, Recorded::TimerCreated { .. } | Recorded::TimerFired { .. });
        let last = runtime.history("a").await?.into_iter().rfind(|turn| turn.events.iter().any(timers)).expect("a timer");
        assert_eq!(last.events.iter().filter(|event| timers(event)).count(), 2, "it is not waited for again: {last:?}");
        runtime.shutdown().await?;
    }
    Ok(())
}

async fn of_rewinds_at_one_time_one_is_done(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    let runtime = open(&kept, &shared).await;
    for client in [runtime.client(), kept.client().await] {
        for round in 0..10 {
            shared.breaks([1]);
            let id = format!("r{round}");
            let run = client.start(all(vec![1])).id(&id).reuse_id(ReuseId::ReplaceTerminal).await?;
            run.result().await.expect_err("it is broken");
            shared.breaks([]);
            let rewinds = join_all((0..6).map(|_| client.rewind(&id, "mended"))).await;
            assert_eq!(run.result().await?, 1);
            assert_eq!(rewinds.iter().filter(|rewound| rewound.is_ok()).count(), 1);
            for error in rewinds.into_iter().filter_map(Result::err) {
                assert!(error.to_string().contains("rewound"), "{error}");
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            }
        }
    }
    Ok(())
}

async fn a_start_takes_the_place_of_what_is_rewound_again_and_again(kept: Kept) -> dacapo::Result<()> {
    let shared = Shared::default();
    shared.breaks([1]);
    let runtime = open(&kept, &shared).await;
    let starts = async {
        for client in [runtime.client(), kept.client().await] {
            for _ in 0..40 {
                let run = client.start(all(vec![1])).id("r").reuse_id(ReuseId::ReplaceAny).await?;
                run.result().await.expect_err("it is broken");
            }
        }
        Ok::<_, dacapo::RuntimeError>(())
    };
    let rewinds = async {
        loop {
            drop(runtime.rewind("r", "again").await);
        }
    };
    tokio::select! {
        started = starts => Ok(started?),
        () = rewinds => Ok(()),
    }
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
    what_was_done_about_a_failure_is_not_done_again
    of_rewinds_at_one_time_one_is_done
    a_start_takes_the_place_of_what_is_rewound_again_and_again
    children_that_failed_or_were_ended_with_it_go_on
    a_client_of_another_process_rewinds
    what_has_not_failed_is_refused
}
