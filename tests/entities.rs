//! Entities: keyed states, changed by one operation at a time, each of which takes effect once.

mod both;

use std::future::IntoFuture as _;
use std::time::Duration;

use both::{Kept, on_both_stores, reaches, until};
use dacapo::store::Event as Recorded;
use dacapo::{Event, FailureKind, Payload, ReuseId, Runtime, Status, entity, orchestrator};
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};

const GO: Event<()> = Event::new("go");

#[derive(Default, Serialize, Deserialize, Debug, PartialEq)]
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

    /// Changes the state first, and fails then.
    fn spend(&mut self, n: i64) -> Result<i64, String> {
        self.value -= n;
        Journal::at("spent").note(n).signal();
        if self.value < 0 { Err(format!("{} is missing", -self.value)) } else { Ok(self.value) }
    }

    fn break_down(&mut self) {
        self.value = -1;
        panic!("the counter broke down");
    }
}

/// What came, in its order.
#[derive(Default, Serialize, Deserialize)]
struct Journal {
    notes: Vec<i64>,
}

#[entity]
impl Journal {
    fn note(&mut self, n: i64) {
        self.notes.push(n);
    }

    /// Hands a note on to another journal.
    fn note_and_pass_on(&mut self, n: i64, to: String) {
        self.notes.push(n);
        Self::at(to).note(n).signal();
    }

    fn notes(&self) -> Vec<i64> {
        self.notes.clone()
    }
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    // By hand: the entities of another build have the same names.
    let builder = kept.runtime().verify(true).only_registered().register_entity::<Counter>().register_entity::<Journal>();
    let builder = builder.register(notes).register(twice).register(spends).register(breaks_down).register(sees_it_break);
    let builder = builder.register(transfer).register(holds).register(gives_up).register(calls_an_unlocked_one).register(nests);
    let builder = builder.register(awaits_a_child).register(locks_nothing).register(behaves).register(calls_with_key);
    Ok(builder.open().await?)
}

async fn clients_call_signal_read_and_delete(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    assert_eq!(runtime.state_of::<Counter>("a").await?, None);
    assert_eq!(runtime.call(Counter::at("a").get()).await?, 0);
    assert_eq!(runtime.call(Counter::at("a").add(2)).await?, 2);
    runtime.signal(Counter::at("a").add(3)).await?;
    assert_eq!(runtime.call(Counter::at("b").add(1)).await?, 1, "each key has a state of its own");
    drop(runtime);

    let runtime = open(&kept).await?;
    assert_eq!(runtime.state_of::<Counter>("a").await?, Some(Counter { value: 5 }));
    assert_eq!(runtime.call(Counter::at("a").get()).await?, 5);
    runtime.call(Counter::at("a").delete()).await?;
    assert_eq!(runtime.state_of::<Counter>("a").await?, None);
    assert_eq!(runtime.call(Counter::at("a").add(1)).await?, 1, "it begins anew");
    Ok(())
}

async fn a_client_of_another_process_signals_and_reads(kept: Kept) -> dacapo::Result<()> {
    let client = kept.client().await;
    for n in 1..=20 {
        client.signal(Journal::at("j").note(n)).await?;
    }
    let failure = client.call(Counter::at("a").add(1)).await.expect_err("nobody could tell it the answer");
    assert!(failure.message().contains("signal it and read its state"), "{failure}");
    let runtime = open(&kept).await?;
    client.signal(Journal::at("j").note(21)).await?;
    until("all are there", async || {
        client.state_of::<Journal>("j").await.expect("it is readable").is_some_and(|journal| journal.notes.len() == 21)
    })
    .await;
    assert_eq!(runtime.call(Journal::at("j").notes()).await?, (1..=21).collect::<Vec<_>>());
    Ok(())
}

async fn a_thousand_signals_at_once_take_effect_one_at_a_time(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    try_join_all((0..1_000).map(|_| runtime.signal(Counter::at("many").add(1)))).await?;
    assert_eq!(runtime.call(Counter::at("many").get()).await?, 1_000);
    let turns = runtime.history("@counter@many").await?;
    assert_eq!(turns.len(), 1, "the history of an entity is its state, however much it has done");
    Ok(())
}

/// Signals in order, then calls.
#[orchestrator]
async fn notes(to: String, count: i64) -> Vec<i64> {
    for n in 0..count {
        Journal::at(&to).note(n).signal();
    }
    Journal::at(&to).notes().await
}

async fn signals_of_one_sender_arrive_in_order_and_before_its_call(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let run = runtime.start(notes("j".into(), 200)).await?;
    assert_eq!(run.result().await?, (0..200).collect::<Vec<_>>());
    Ok(())
}

/// Calls, waits for an event, calls again.
#[orchestrator]
async fn twice(key: String) -> (i64, i64) {
    let first = Counter::at(&key).add(1).await;
    GO.wait().await;
    let second = Counter::at(&key).add(10).await;
    GO.wait().await;
    (first, second)
}

async fn a_replay_calls_no_entity_again(kept: Kept) -> dacapo::Result<()> {
    for _ in 0..2 {
        let runtime = open(&kept).await?;
        let _ = runtime.start(twice("r".into())).id("twice").reuse_id(dacapo::ReuseId::UseExisting).await?;
        let go = runtime.history("twice").await?.len();
        runtime.raise("twice", GO, ()).await?;
        until("it has come further", async || runtime.history("twice").await.expect("it is there").len() > go).await;
        drop(runtime);
    }
    let runtime = open(&kept).await?;
    assert_eq!(runtime.attach(twice, "twice").result().await?, (1, 11));
    assert_eq!(runtime.call(Counter::at("r").get()).await?, 11);
    let recorded = both::events(&runtime, "twice").await;
    assert_eq!(recorded.iter().filter(|name| *name == "EntityOperationCalled").count(), 2);
    assert_eq!(recorded.iter().filter(|name| *name == "EntityOperationCompleted").count(), 2);
    Ok(())
}

async fn entities_signal_each_other(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for n in 0..50 {
        runtime.signal(Journal::at("first").note_and_pass_on(n, "second".into())).await?;
    }
    until("all have come through", async || {
        runtime.call(Journal::at("second").notes()).await.expect("it answers") == (0..50).collect::<Vec<_>>()
    })
    .await;
    Ok(())
}

#[orchestrator]
async fn spends(n: i64) -> Result<i64, String> {
    Counter::at("purse").spend(n).await
}

/// What it calls has no place for a failure.
#[orchestrator]
async fn breaks_down() {
    Counter::at("purse").break_down().await;
}

#[orchestrator]
async fn sees_it_break() -> String {
    let failure = Counter::at("purse").break_down().checked().await.expect_err("it panics");
    format!("{:?}: {}", failure.kind(), failure.message())
}

async fn a_failing_operation_leaves_the_state_and_tells_its_caller(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.signal(Counter::at("purse").add(10)).await?;
    assert_eq!(runtime.start(spends(4)).await?.result().await, Ok(6));
    assert_eq!(runtime.start(spends(100)).await?.result().await, Err("94 is missing".to_owned()));
    assert_eq!(runtime.call(Counter::at("purse").spend(7)).await, Err("1 is missing".to_owned()));
    let failure = runtime.call(Counter::at("purse").break_down()).await.expect_err("it panics");
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Panic, "the counter broke down"));
    runtime.signal(Counter::at("purse").break_down()).await?;
    assert_eq!(runtime.start(sees_it_break()).await?.result().await?, "Panic: the counter broke down");
    let failure = runtime.start(breaks_down()).await?.result().await.expect_err("it has no place for the failure");
    assert!(failure.calls().iter().any(|call| call.name == "@counter@purse.break_down"), "{failure:?}");
    assert_eq!(runtime.call(Counter::at("purse").get()).await?, 6);
    assert_eq!(runtime.call(Journal::at("spent").notes()).await?, [4], "what failed has signalled nothing");
    Ok(())
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
async fn awaits_a_child() -> Vec<i64> {
    let _guard = dacapo::lock(Counter::at("in")).await;
    notes("j".into(), 1).await
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
    let _ = notes("j".into(), 1).detach();
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
        (runtime.start(awaits_a_child()).await?.result().await.map(drop), "`notes` was awaited in a critical section"),
        (runtime.start(locks_nothing()).await?.result().await, "a lock of no entity"),
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

#[orchestrator]
async fn calls_with_key(key: String) -> Result<i64, dacapo::Error> {
    Ok(Counter::at(key).add(1).checked().await?)
}

async fn a_key_that_cannot_be_one_is_refused(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for key in ["", "a/b", "a#b", "line\nbreak", "k".repeat(300).as_str()] {
        let error = runtime.signal(Counter::at(key).add(1)).await.expect_err("it cannot be stored");
        assert!(error.to_string().contains("cannot be an instance id"), "{error}");
        assert!(runtime.call(Counter::at(key).get()).await.is_err());
        assert!(runtime.state_of::<Counter>(key).await.is_err());
        assert!(runtime.start(calls_with_key(key.into())).await?.result().await.is_err());
    }
    assert_eq!(runtime.call(Counter::at("a@b: ü").add(1)).await?, 1);
    Ok(())
}

async fn an_entity_is_no_orchestration(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.signal(Counter::at("a").add(1)).await?;
    let id = "@counter@a";
    for error in [
        runtime.terminate(id, "").await.expect_err("it cannot"),
        runtime.suspend(id, "").await.expect_err("it cannot"),
        runtime.raise(id, GO, ()).await.expect_err("it cannot"),
        kept.client().await.terminate(id, "").await.expect_err("it cannot"),
    ] {
        assert!(error.to_string().contains("`@counter@a`: it is an entity"), "{error}");
    }
    assert_eq!(runtime.query().await?.instances().len(), 0);
    assert_eq!(runtime.query().id_prefix("@counter@").await?.instances().len(), 1);
    assert_eq!(runtime.counts().await?.of(Status::Running), 0);
    assert!(runtime.census().await?.is_empty());
    assert_eq!(runtime.call(Counter::at("a").get()).await?, 1);
    Ok(())
}

/// The state and the operations of other builds, under the same names.
mod other_build {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Counter(Vec<String>);

    #[entity(name = "counter")]
    impl Counter {
        pub(super) fn push(&mut self, text: String) {
            self.0.push(text);
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Journal;

    #[entity]
    impl Journal {
        pub(super) fn burn(&mut self) {}
    }
}

#[orchestrator]
async fn burns() -> Result<(), dacapo::Error> {
    Ok(other_build::Journal::at("j").burn().checked().await?)
}

async fn what_an_older_build_does_not_know_loses_nothing(kept: Kept) -> dacapo::Result<()> {
    let this = || kept.runtime().only_registered().register_entity::<Counter>().register_entity::<Journal>().register(burns);
    let runtime = this().open().await?;
    runtime.signal(Counter::at("a").add(5)).await?;
    runtime.signal(Journal::at("j").note(1)).await?;
    let failure = runtime.start(burns()).await?.result().await.expect_err("there is no such operation here");
    assert!(
        failure.to_string().contains("no operation `burn` in this process; those it has: note, note_and_pass_on"),
        "{failure}"
    );
    assert_eq!(runtime.call(Journal::at("j").notes()).await?, [1]);
    drop(runtime);

    let client = kept.client().await;
    let runtime = kept.runtime().only_registered().register_entity::<other_build::Counter>().open().await?;
    let failure = runtime.call(other_build::Counter::at("a").push("x".into())).await.expect_err("the state is another");
    assert!(failure.message().contains("the state of the entity `counter` cannot be read"), "{failure}");
    client.signal(Counter::at("a").add(1)).await?;
    client.signal(Journal::at("j").note(2)).await?;
    let failure = runtime.call(Journal::at("j").notes()).await.expect_err("nothing of this name is registered");
    assert!(failure.message().contains("no entity named `journal` is registered"), "{failure}");
    drop(runtime);

    let runtime = this().open().await?;
    until("what waited is done", async || runtime.call(Counter::at("a").get()).await.expect("it answers") == 6).await;
    until("what waited is done", async || runtime.call(Journal::at("j").notes()).await.expect("it answers") == [1, 2]).await;
    Ok(())
}

async fn many_entities_are_not_kept_in_memory(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().max_loaded_instances(5).only_registered().register_entity::<Counter>().open().await?;
    for round in 1..=3 {
        for n in 0..40 {
            assert_eq!(runtime.call(Counter::at(format!("{n}")).add(1)).await?, round);
        }
    }
    Ok(())
}

async fn a_run_under_a_used_id_takes_no_answer_of_the_one_before(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.start(holds(vec!["a".into()])).id("holder").await?;
    is_held(&runtime, "holder").await;
    runtime.start(calls_with_key("a".into())).id("asks").await?;
    runtime.terminate("asks", "").await?;
    reaches(&runtime, "asks", Status::Terminated).await;
    let again = runtime.start(calls_with_key("b".into())).id("asks").reuse_id(dacapo::ReuseId::ReplaceTerminal).await?;
    assert_eq!(again.result().await?, 1);
    runtime.raise("holder", GO, ()).await?;
    until("the first call has taken effect", async || runtime.call(Counter::at("a").get()).await.expect("it answers") == 1).await;
    let first = |event: &Recorded| matches!(event, Recorded::EntityOperationCompleted { .. });
    let history = runtime.history("asks").await?;
    assert_eq!(history.iter().flat_map(|turn| &turn.events).filter(|event| first(event)).count(), 1);
    Ok(())
}

/// Waits until a run of `holds` has the lock.
async fn has_it(runtime: &Runtime, id: &str) {
    until("it holds", async || {
        let status = runtime.status(id).await.expect("it is there");
        status.custom_status().is_some_and(|status| status.as_str() == "\"holds\"")
    })
    .await;
}

/// Whoever ended while it was suspended, in the queue for a lock, is not given it.
async fn a_lock_is_not_left_to_one_that_ended_in_the_queue(kept: Kept) -> dacapo::Result<()> {
    for replaced in [false, true] {
        let runtime = open(&kept).await?;
        let start = |id: &str| runtime.start(holds(vec!["q".into()])).id(id).reuse_id(ReuseId::ReplaceAny).into_future();
        let first = start("first").await?;
        has_it(&runtime, "first").await;
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
        has_it(&runtime, "third").await;
        third.terminate("enough").await?;
        runtime.shutdown().await?;
    }
    Ok(())
}

/// A lock is a run's, not that of another under the same id.
async fn a_lock_of_a_dead_run_is_given_back_though_its_id_is_used_again(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.start(holds(vec!["r".into()])).id("a").await?;
    has_it(&runtime, "a").await;
    runtime.suspend("a", "for now").await?;
    runtime.shutdown().await?;

    let runtime = open(&kept).await?;
    runtime.terminate("a", "called off").await?;
    runtime.restart("a").await?;
    has_it(&runtime, "a").await;
    runtime.shutdown().await?;

    let runtime = open(&kept).await?;
    runtime.start(holds(vec!["r".into()])).id("b").await?;
    for _ in 0..2 {
        runtime.raise("a", GO, ()).await?;
    }
    has_it(&runtime, "b").await;
    Ok(())
}

on_both_stores! {
    a_lock_is_not_left_to_one_that_ended_in_the_queue
    a_lock_of_a_dead_run_is_given_back_though_its_id_is_used_again
    clients_call_signal_read_and_delete
    a_client_of_another_process_signals_and_reads
    a_thousand_signals_at_once_take_effect_one_at_a_time
    signals_of_one_sender_arrive_in_order_and_before_its_call
    a_replay_calls_no_entity_again
    entities_signal_each_other
    a_failing_operation_leaves_the_state_and_tells_its_caller
    locks_in_opposite_orders_end_and_keep_others_out
    a_lock_ends_with_its_holder_and_survives_a_restart
    a_wait_for_a_lock_can_be_given_up
    what_could_wait_for_ever_is_refused
    a_key_that_cannot_be_one_is_refused
    an_entity_is_no_orchestration
    what_an_older_build_does_not_know_loses_nothing
    many_entities_are_not_kept_in_memory
    a_run_under_a_used_id_takes_no_answer_of_the_one_before
}
