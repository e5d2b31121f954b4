//! Entities: keyed states, changed by one operation at a time, each of which takes effect once.

mod both;

use both::{Kept, on_both_stores, until};
use dacapo::{Event, FailureKind, Runtime, Status, entity, orchestrator};
use futures::future::try_join_all;
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
    Ok(builder.register(calls_with_key).open().await?)
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
        assert!(error.to_string().contains("`@counter@a` is an entity, not an orchestration"), "{error}");
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

on_both_stores! {
    clients_call_signal_read_and_delete
    a_client_of_another_process_signals_and_reads
    a_thousand_signals_at_once_take_effect_one_at_a_time
    signals_of_one_sender_arrive_in_order_and_before_its_call
    a_replay_calls_no_entity_again
    entities_signal_each_other
    a_failing_operation_leaves_the_state_and_tells_its_caller
    a_key_that_cannot_be_one_is_refused
    an_entity_is_no_orchestration
    what_an_older_build_does_not_know_loses_nothing
    many_entities_are_not_kept_in_memory
}
