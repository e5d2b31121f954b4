//! Every store keeps the rules of stores, and the suite of the rules names those that a store breaks.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo::ErrorKind;
use dacapo::store::{
    Applied, Batch, Instance, InstanceKey, Lookup, MemoryStore, NewInstance, OutOfLine, Owner, Reply, SqliteStore, State, Store,
    Stored, Synchronous, Timestamp, Turn,
};
use dacapo::testing::store_conformance::{check, check_within};
use dacapo::testing::through::{Between, Through};
use futures::FutureExt as _;
use futures::future::join_all;

/// Opens stores in memory by their names. `wrapped` makes a view of one.
fn in_memory<S: Store>(wrapped: impl Fn(MemoryStore) -> S) -> impl AsyncFn(&str) -> Arc<dyn Store> {
    let stores = Mutex::new(HashMap::<String, MemoryStore>::new());
    async move |name: &str| {
        let inner = stores.lock().expect("nobody panics with it").entry(name.to_owned()).or_default().clone();
        Arc::new(wrapped(inner)) as Arc<dyn Store>
    }
}

async fn check_in_files<S: Store>(wrapped: impl Fn(SqliteStore) -> S) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let open = async |name: &str| {
        let path = folder.path().join(format!("{name}.db"));
        Arc::new(wrapped(SqliteStore::open(path, Synchronous::Normal).await.expect("it opens"))) as Arc<dyn Store>
    };
    check(open).await;
}

/// Lets everything pass.
#[derive(Default)]
struct Nothing;

impl Between for Nothing {}

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules() {
    check(in_memory(|store| store)).await;
    check(in_memory(|inner| Through { inner, between: Arc::new(Nothing) })).await;
}

#[tokio::test]
async fn sqlite_keeps_the_rules() {
    check_in_files(|store| store).await;
    check_in_files(|inner| Through { inner, between: Arc::new(Nothing) }).await;
}

#[tokio::test]
async fn what_a_store_is_given_and_answers_can_be_made_outside_the_library() {
    let turn = Turn { at: Timestamp(5), events: Vec::new() };
    let mut batch = Batch::default();
    batch.create = Some(NewInstance::new("order-1", "orders", turn.clone(), State::pending()));
    batch.out_of_line = vec![OutOfLine::new(Owner::Created, 1, b"large".to_vec())];
    let store = MemoryStore::new();
    let (sender, answer) = tokio::sync::oneshot::channel();
    store.apply(batch, Box::new(move |applied| drop(sender.send(applied))));
    let applied = answer.await.expect("it is answered").expect("the id is free");
    let key = applied.created.expect("the answer tells the key");
    assert_eq!(format!("{applied:?}"), format!("{:?}", Applied::new(Some(key), Vec::new(), 0)));
    let found = store.load(Lookup::Id("order-1".to_owned())).await.expect("it is readable").expect("it is there");
    let made = Stored::new(Instance::new(key, "order-1", "orders", Timestamp(5), State::pending()), vec![turn]);
    assert_eq!((found.instance, found.history), (made.instance, made.history));
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Turns are answered at once, and written with the next batch.
    AnswersBeforeItWrites,
    LosesConsume,
    IgnoresEpochs,
    /// A batch with a turn comes without its heartbeats.
    AppliesHalf,
    /// The messages of a batch stay when it is refused.
    KeepsHalfOfTheRefused,
    GivesAKeyTwice,
    AcceptsGaps,
    ForgetsLargeValues,
    PurgesNothing,
    ForgetsToAnswer,
}

struct Faulty {
    fault: Fault,
    late: Mutex<Option<Batch>>,
    given: Mutex<Option<InstanceKey>>,
}

fn ignore() -> Reply {
    Box::new(drop)
}

impl Between for Faulty {
    fn apply(self: Arc<Self>, store: &dyn Store, mut batch: Batch, reply: Reply) {
        if let Some(late) = self.late.lock().expect("nobody panics with it").take() {
            store.apply(late, ignore());
        }
        match self.fault {
            Fault::AnswersBeforeItWrites if batch.append.is_some() && batch.children.is_empty() => {
                *self.late.lock().expect("nobody panics with it") = Some(batch);
                return reply(Ok(Applied::default()));
            }
            Fault::LosesConsume => batch.consume.clear(),
            Fault::IgnoresEpochs => batch.epoch = None,
            Fault::AppliesHalf if batch.append.is_some() => batch.heartbeats.clear(),
            Fault::KeepsHalfOfTheRefused => {
                let mut half = Batch::default();
                half.post = std::mem::take(&mut batch.post);
                store.apply(half, ignore());
            }
            Fault::ForgetsLargeValues => batch.out_of_line.clear(),
            Fault::PurgesNothing => batch.purge.clear(),
            Fault::ForgetsToAnswer => return drop(reply),
            _ => {}
        }
        let answer: Reply = match self.fault {
            Fault::GivesAKeyTwice => Box::new(move |result| {
                reply(result.map(|mut applied: Applied| {
                    let mut given = self.given.lock().expect("nobody panics with it");
                    applied.created = applied.created.map(|key| *given.get_or_insert(key));
                    applied
                }));
            }),
            Fault::AcceptsGaps => Box::new(move |result| {
                reply(match result {
                    Err(refused) if refused.error.kind() == ErrorKind::Invalid => Ok(Applied::default()),
                    result => result,
                });
            }),
            _ => reply,
        };
        store.apply(batch, answer);
    }
}

/// Some of the faults leave others waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the suite says of a store with this fault.
async fn report(fault: Fault) -> String {
    let faulty = |inner| Through { inner, between: Arc::new(Faulty { fault, late: Mutex::default(), given: Mutex::default() }) };
    let Err(panic) = AssertUnwindSafe(check_within(PATIENCE, in_memory(faulty))).catch_unwind().await else {
        return String::new();
    };
    panic.downcast_ref::<String>().expect("it says which").clone()
}

#[tokio::test]
async fn a_rule_that_a_store_breaks_is_named() {
    let all = [
        (Fault::AnswersBeforeItWrites, "an_answer_comes_after_its_batch_can_be_read"),
        (Fault::LosesConsume, "messages_wait_in_order_until_they_are_consumed"),
        (Fault::IgnoresEpochs, "an_older_claim_is_refused"),
        (Fault::AppliesHalf, "a_batch_is_applied_as_a_whole"),
        (Fault::KeepsHalfOfTheRefused, "a_refused_batch_changes_nothing"),
        (Fault::GivesAKeyTwice, "a_key_is_given_once"),
        (Fault::AcceptsGaps, "a_history_is_dense"),
        (Fault::ForgetsLargeValues, "out_of_line_values_live_as_long_as_their_history"),
        (Fault::PurgesNothing, "a_purge_leaves_nothing_and_touches_nothing_unfinished"),
        (Fault::ForgetsToAnswer, "batches_that_come_together_are_all_answered"),
    ];
    let reports = join_all(all.map(|(fault, _)| report(fault))).await;
    for ((fault, rule), report) in all.into_iter().zip(reports) {
        assert!(report.contains(&format!("`{rule}`")), "{fault:?}: {report}");
    }
}
