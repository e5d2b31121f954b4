//! Locks of entities: who holds them works alone, and they end with their run.

mod both;

use std::future::IntoFuture as _;
use std::time::Duration;

use both::{Kept, on_both_stores, reaches, until};
use dacapo::store::Event as Recorded;
use dacapo::{Event, FailureKind, Payload, ReuseId, Runtime, Status, entity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

const GO: Event<()> = Event::new("go");

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    fn add(&mut self, n: i64) -> i64 {
        self.value += n;
        self.value
    }

    fn get(&self) -> i64 {
        self.value
    }
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    Ok(kept.runtime().verify(true).open().await?)
}

#[orchestrator]
async fn adds(key: String, n: i64) -> i64 {
    Counter::at(key).add(n).await
}

/// Reads both, waits, and writes both: lost updates would show.
#[orchestrator]
async fn transfer(from: String, to: String, amount: i64) -> i64 {
    let (from, to) = (Counter::at(from), Counter::at(to));
    let guard = dacapo::lock((from.clone(), to.clone())).await;
    let (before, there) = (from.get().await, to.get().await);
    dacapo::sleep(Duration::from_millis(1)).await;
    let moved = from.add(-amount).await;
    assert_eq!((moved, to.add(amount).await), (before - amount, there + amount), "nobody came between");
    drop(guard);
    moved
}

async fn locks_in_opposite_orders_end_and_keep_others_out(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let (mut runs, mut signals) = (Vec::new(), 0);
    for n in 0..50 {
        let (from, to) = if n % 2 == 0 { ("x", "y") } else { ("y", "x") };
        runs.push(runtime.start(transfer(from.into(), to.into(), n)).await?);
        runtime.signal(Counter::at("x").add(1)).await?;
        signals += 1;
    }
    let ended = join_all(runs.iter().map(|run| run.result()));
    for result in tokio::time::timeout(Duration::from_secs(60), ended).await? {
        result?;
    }
    let (x, y) = (runtime.call(Counter::at("x").get()).await?, runtime.call(Counter::at("y").get()).await?);
    assert_eq!((x + y, y), (signals, -25), "what one gave the other got");
    Ok(())
}

/// Holds two counters until it is told to go on.
#[orchestrator]
async fn holds(keys: Vec<String>) {
    let guard = dacapo::lock(keys.iter().map(Counter::at).collect::<Vec<_>>()).await;
    dacapo::set_custom_status(&"holds");
    GO.wait().await;
    drop(guard);
    GO.wait().await;
}

async fn is_held(runtime: &Runtime, id: &str) {
    until("it has the lock", async || {
        runtime.status(id).await.is_ok_and(|status| status.custom_status().map(Payload::as_str) == Some("\"holds\""))
    })
    .await;
}

async fn a_lock_ends_with_its_holder_and_survives_a_restart(kept: Kept) -> dacapo::Result<()> {
    let keys = || vec!["b".to_owned(), "a".to_owned()];
    for (end, id) in ["dropped", "terminated", "while suspended", "while nothing runs"].into_iter().zip(["1", "2", "3", "4"]) {
        let runtime = open(&kept).await?;
        runtime.start(holds(keys())).id(id).await?;
        is_held(&runtime, id).await;
        drop(runtime);

        let mut runtime = open(&kept).await?;
        runtime.signal(Counter::at("a").add(1)).await?;
        runtime.signal(Counter::at("b").add(1)).await?;
        runtime.start(holds(keys())).id(format!("{id}: next")).await?;
        let before: i64 = id.parse::<i64>()? - 1;
        let state = runtime.state_of::<Counter>("a").await?.map_or(0, |counter| counter.value);
        assert_eq!(state, before, "{end}: it waits for the end of the section");
        match end {
            "dropped" => runtime.raise(id, GO, ()).await?,
            "while suspended" => {
                runtime.suspend(id, "wait").await?;
                runtime.terminate(id, "enough").await?;
            }
            "while nothing runs" => {
                let client = runtime.client();
                client.suspend(id, "wait").await?;
                drop(runtime);
                kept.client().await.terminate(id, "enough").await?;
                runtime = open(&kept).await?;
            }
            _ => runtime.terminate(id, "enough").await?,
        }
        let next = format!("{id}: next");
        is_held(&runtime, &next).await;
        runtime.terminate(&next, "enough").await?;
        assert_eq!(runtime.call(Counter::at("a").get()).await?, before + 1, "{end}");
        assert_eq!(runtime.call(Counter::at("b").get()).await?, before + 1, "{end}");
    }
    Ok(())
}

/// Gives up its wait for a lock that another run has.
#[orchestrator]
async fn gives_up(keys: Vec<String>, after_ms: u64) -> bool {
    let lock = dacapo::lock(keys.iter().map(Counter::at).collect::<Vec<_>>());
    dacapo::timeout(Duration::from_millis(after_ms), lock).await.is_ok()
}

async fn a_wait_for_a_lock_can_be_given_up(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let holder = runtime.start(holds(vec!["b".into()])).id("holder").await?;
    is_held(&runtime, "holder").await;
    assert!(!runtime.start(gives_up(vec!["a".into(), "b".into(), "c".into()], 20)).await?.result().await?);
    assert_eq!(runtime.call(Counter::at("a").add(1)).await?, 1, "what it had of the lock is free");
    holder.raise(GO, ()).await?;
    assert_eq!(runtime.call(Counter::at("b").add(1)).await?, 1);
    assert_eq!(runtime.call(Counter::at("c").add(1)).await?, 1, "and it comes no further");
    assert!(runtime.start(gives_up(vec!["c".into(), "b".into(), "a".into()], 60_000)).await?.result().await?);
    Ok(())
}

#[orchestrator]
async fn calls_an_unlocked_one() -> i64 {
    let _guard = dacapo::lock((Counter::at("in"),)).await;
    Counter::at("out").add(1).await
}

#[orchestrator]
async fn nests() {
    let _first = dacapo::lock(Counter::at("in")).await;
    let _second = dacapo::lock(Counter::at("out")).await;
}

#[orchestrator]
async fn awaits_a_child() -> i64 {
    let _guard = dacapo::lock(Counter::at("in")).await;
    adds("j".into(), 1).await
}

#[orchestrator]
async fn locks_nothing() {
    let _guard = dacapo::lock(Vec::<CounterEntity>::new()).await;
}

/// What is allowed in a critical section.
#[orchestrator]
async fn behaves() -> i64 {
    let guard = dacapo::lock(Counter::at("in")).await;
    Counter::at("out").add(1).signal();
    let _ = adds("j".into(), 1).detach();
    let value = Counter::at("in").add(1).await;
    drop(guard);
    let _second = dacapo::lock(Counter::at("out")).await;
    value + Counter::at("out").get().await
}

async fn what_could_wait_for_ever_is_refused(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for (run, words) in [
        (runtime.start(calls_an_unlocked_one()).await?.result().await.map(drop), "that has not locked it"),
        (runtime.start(nests()).await?.result().await, "while this run holds or waits for one of @counter@in"),
        (runtime.start(awaits_a_child()).await?.result().await.map(drop), "`adds` was awaited in a critical section"),
        (runtime.start(locks_nothing()).await?.result().await, "needs at least one entity"),
    ] {
        let failure = run.expect_err("it is refused");
        assert_eq!(failure.kind(), FailureKind::Forbidden, "{failure}");
        assert!(format!("{failure} {:?}", failure.causes()).contains(words), "{failure} {:?}", failure.causes());
    }
    let failed = runtime.start(nests()).id("nests").await?;
    failed.result().await.expect_err("it is refused");
    let error = runtime.rewind("nests", "again").await.expect_err("its lock is gone");
    assert!(error.to_string().contains("it failed in a critical section of @counter@in"), "{error}");
    assert_eq!(runtime.start(behaves()).await?.result().await?, 2);
    assert_eq!(runtime.call(Counter::at("in").get()).await?, 1);
    Ok(())
}

/// Whoever ended while it was suspended, in the queue for a lock, is not given it.
async fn a_lock_is_not_left_to_one_that_ended_in_the_queue(kept: Kept) -> dacapo::Result<()> {
    for replaced in [false, true] {
        let runtime = open(&kept).await?;
        let start = |id: &str| runtime.start(holds(vec!["q".into()])).id(id).reuse_id(ReuseId::ReplaceAny).into_future();
        let first = start("first").await?;
        is_held(&runtime, "first").await;
        start("second").await?;
        runtime.suspend("second", "for now").await?;
        match replaced {
            true => drop(runtime.start(locks_nothing()).id("second").reuse_id(ReuseId::ReplaceAny).await?),
            false => runtime.terminate("second", "called off").await?,
        }
        for _ in 0..2 {
            first.raise(GO, ()).await?;
        }
        first.result().await?;
        let third = start("third").await?;
        is_held(&runtime, "third").await;
        third.terminate("enough").await?;
        runtime.shutdown().await?;
    }
    Ok(())
}

/// A lock is a run's, not that of another under the same id.
async fn a_lock_of_a_dead_run_is_given_back_though_its_id_is_used_again(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.start(holds(vec!["r".into()])).id("a").await?;
    is_held(&runtime, "a").await;
    runtime.suspend("a", "for now").await?;
    runtime.shutdown().await?;

    let runtime = open(&kept).await?;
    runtime.terminate("a", "called off").await?;
    runtime.restart("a").await?;
    is_held(&runtime, "a").await;
    runtime.shutdown().await?;

    let runtime = open(&kept).await?;
    runtime.start(holds(vec!["r".into()])).id("b").await?;
    for _ in 0..2 {
        runtime.raise("a", GO, ()).await?;
    }
    is_held(&runtime, "b").await;
    Ok(())
}

async fn a_run_under_a_used_id_takes_no_answer_of_the_one_before(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.start(holds(vec!["a".into()])).id("holder").await?;
    is_held(&runtime, "holder").await;
    runtime.start(adds("a".into(), 1)).id("asks").await?;
    runtime.terminate("asks", "").await?;
    reaches(&runtime, "asks", Status::Terminated).await;
    let again = runtime.start(adds("b".into(), 1)).id("asks").reuse_id(ReuseId::ReplaceTerminal).await?;
    assert_eq!(again.result().await?, 1);
    runtime.raise("holder", GO, ()).await?;
    until("the first call has taken effect", async || runtime.call(Counter::at("a").get()).await.expect("it answers") == 1).await;
    let first = |event: &Recorded| matches!(event, Recorded::EntityOperationCompleted { .. });
    let history = runtime.history("asks").await?;
    assert_eq!(history.iter().flat_map(|turn| &turn.events).filter(|event| first(event)).count(), 1);
    Ok(())
}

on_both_stores! {
    locks_in_opposite_orders_end_and_keep_others_out
    a_lock_ends_with_its_holder_and_survives_a_restart
    a_wait_for_a_lock_can_be_given_up
    what_could_wait_for_ever_is_refused
    a_lock_is_not_left_to_one_that_ended_in_the_queue
    a_lock_of_a_dead_run_is_given_back_though_its_id_is_used_again
    a_run_under_a_used_id_takes_no_answer_of_the_one_before
}
