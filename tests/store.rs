//! What every store promises: one suite, run against each of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dacapo::store::{
    Append, Applied, Batch, End, Epoch, Event, InstanceKey, Lookup, MemoryStore, NewInstance, Parent, Refused, Role, Runnable,
    SqliteStore, State, Store, Synchronous, Timestamp, Turn, Update,
};
use dacapo::{ErrorKind, Payload, Status};
use futures::future::join_all;
use tokio::sync::{Notify, oneshot};

async fn apply(store: &dyn Store, batch: Batch) -> Result<Applied, Box<Refused>> {
    let (sender, answer) = oneshot::channel();
    store.apply(batch, Box::new(move |result| drop(sender.send(result))));
    answer.await.expect("every batch is answered")
}

async fn refusal(store: &dyn Store, batch: Batch) -> ErrorKind {
    let given = format!("{batch:?}");
    let refused = apply(store, batch).await.expect_err("the batch is refused");
    assert_eq!(format!("{:?}", refused.batch), given, "a refused batch comes back as it was given");
    refused.error.kind()
}

fn started(name: &str) -> Event {
    serde_json::from_value(serde_json::json!({ "ExecutionStarted": { "name": name, "input": [1, 2] } })).expect("it is an event")
}

fn raised(name: &str) -> Event {
    Event::EventRaised { name: name.into(), input: Payload::encode(name).expect("it is JSON") }
}

fn turn(at: i64, events: impl IntoIterator<Item = Event>) -> Turn {
    Turn { at: Timestamp(at), events: events.into_iter().collect() }
}

fn new(id: &str) -> NewInstance {
    NewInstance {
        id: id.into(),
        name: "orders".into(),
        parent: None,
        turn: turn(5, [started("orders")]),
        state: State::pending(),
    }
}

fn create(id: &str) -> Batch {
    Batch { create: Some(new(id)), ..Batch::default() }
}

fn append(instance: InstanceKey, number: u32) -> Batch {
    let append = Append { instance, number, turn: turn(i64::from(number) * 10, [raised("a"), raised("b")]) };
    Batch { append: Some(append), ..Batch::default() }
}

async fn created(store: &dyn Store, id: &str) -> InstanceKey {
    apply(store, create(id)).await.expect("the id is free").created.expect("the key is told")
}

fn by_id(id: &str) -> Lookup {
    Lookup::Id(id.into())
}

async fn what_was_written_is_read_back(store: &dyn Store) {
    let mut batch = create("order-1");
    let state = State {
        status: Status::Running,
        busy: true,
        wake_at: Some(Timestamp(99)),
        custom_status: Some(Payload::encode("half way").expect("it is JSON")),
        report: Some("why".into()),
    };
    if let Some(new) = &mut batch.create {
        new.state = state.clone();
        new.parent = Some(Parent { instance: "boss".into(), id: 7 });
    }
    let key = apply(store, batch).await.expect("the id is free").created.expect("the key is told");
    apply(store, append(key, 2)).await.expect("it follows");
    let stored = store.load(by_id("order-1")).await.expect("it is readable").expect("it is there");
    assert_eq!(stored.history, [turn(5, [started("orders")]), turn(20, [raised("a"), raised("b")])]);
    let found = store.find(Lookup::Key(key)).await.expect("it is readable").expect("it is there");
    assert_eq!(found, stored.instance);
    assert_eq!((found.key, found.id.as_str(), found.name.as_str()), (key, "order-1", "orders"));
    assert_eq!((found.created_at, found.updated_at), (Timestamp(5), Timestamp(20)));
    assert_eq!(found.parent, Some(Parent { instance: "boss".into(), id: 7 }));
    assert_eq!(found.state, state);
    assert_eq!(store.turn(key, End::First).await.expect("it is readable"), Some(turn(5, [started("orders")])));
    assert_eq!(store.turn(key, End::Last).await.expect("it is readable"), Some(turn(20, [raised("a"), raised("b")])));
    assert!(store.find(by_id("nobody")).await.expect("it is readable").is_none());
}

async fn a_batch_is_applied_as_a_whole_or_not_at_all(store: &dyn Store) {
    let key = created(store, "first").await;
    let batch = Batch {
        children: vec![new("child")],
        update: Some(Update { instance: key, state: State { status: Status::Failed, ..State::pending() } }),
        post: vec![(key, raised("lost"))],
        ..append(key, 9)
    };
    assert_eq!(refusal(store, batch).await, ErrorKind::Invalid);
    let stored = store.load(by_id("first")).await.expect("it is readable").expect("it is there");
    assert_eq!((stored.history.len(), stored.instance.state), (1, State::pending()));
    assert!(store.find(by_id("child")).await.expect("it is readable").is_none());
    assert!(store.messages(None, 0).await.expect("it is readable").is_empty());
}

async fn a_history_is_dense(store: &dyn Store) {
    let key = created(store, "dense").await;
    apply(store, append(key, 2)).await.expect("it follows");
    for wrong in [0, 1, 2, 4] {
        assert_eq!(refusal(store, append(key, wrong)).await, ErrorKind::Invalid, "turn {wrong} after turn 2");
    }
    assert_eq!(refusal(store, append(key + 1000, 1)).await, ErrorKind::Invalid, "an instance that is not there");
    apply(store, append(key, 3)).await.expect("it follows");
}

async fn a_generation_takes_the_place_of_the_one_before(store: &dyn Store) {
    let key = created(store, "eternal").await;
    apply(store, append(key, 2)).await.expect("it follows");
    let next = |number| Batch { continues: Some("others".into()), ..append(key, number) };
    assert_eq!(refusal(store, next(2)).await, ErrorKind::Invalid, "it must follow the last turn");
    apply(store, next(3)).await.expect("it follows");
    let stored = store.load(by_id("eternal")).await.expect("it is readable").expect("it is there");
    assert_eq!((stored.instance.name.as_str(), stored.history), ("others", vec![turn(30, [raised("a"), raised("b")])]));
    assert_eq!((stored.instance.key, stored.instance.created_at), (key, Timestamp(5)));
    apply(store, append(key, 2)).await.expect("it is turn 1 now");
}

async fn a_census_counts_what_has_not_ended_by_the_code_that_started_it(store: &dyn Store) {
    let start = async |id: &str, index: usize, version: u32, shape: u64, status| {
        let mut batch = create(id);
        if let Some(new) = &mut batch.create {
            let mut started = serde_json::json!({ "name": "orders", "input": 1, "shape": shape });
            if version > 1 {
                started["version"] = version.into();
            }
            let started = serde_json::json!({ "ExecutionStarted": started });
            let ended = serde_json::json!({ "ContinueAsNew": { "execution": 1 } });
            let event = |value| serde_json::from_value(value).expect("it is an event");
            new.turn = turn(1, [event(ended), event(started)].into_iter().skip(1 - index));
            new.state.status = status;
        }
        apply(store, batch).await.expect("the id is free");
    };
    start("a", 0, 1, 7, Status::Running).await;
    start("b", 1, 1, 7, Status::Suspended).await;
    start("c", 0, 2, u64::MAX, Status::Pending).await;
    start("d", 0, 2, u64::MAX - 1, Status::Running).await;
    start("e", 0, 2, u64::MAX, Status::Completed).await;
    let row = |version, shape, instances| dacapo::Census::new("orders".into(), version, shape, instances);
    let census = store.census().await.expect("it is readable");
    assert_eq!(census, [row(1, 7, 2), row(2, u64::MAX - 1, 1), row(2, u64::MAX, 1)]);
}

async fn a_message_by_id_reaches_who_has_not_ended(store: &dyn Store) {
    let going = created(store, "going").await;
    let ended = created(store, "ended").await;
    let update = Some(Update { instance: ended, state: State { status: Status::Completed, ..State::pending() } });
    apply(store, Batch { update, ..Batch::default() }).await.expect("nothing is in its way");
    let notify = ["going", "ended", "nobody"].map(|id| (id.to_owned(), raised("news"))).to_vec();
    apply(store, Batch { notify, ..Batch::default() }).await.expect("those who are not there are left out");
    let messages = store.messages(None, 0).await.expect("it is readable");
    assert_eq!(messages.iter().map(|message| message.instance).collect::<Vec<_>>(), [going]);
    assert_eq!((messages[0].id.as_str(), &messages[0].event), ("going", &raised("news")));
}

async fn an_id_belongs_to_one_instance(store: &dyn Store) {
    let key = created(store, "taken").await;
    assert_eq!(refusal(store, create("taken")).await, ErrorKind::AlreadyExists);
    let batch = Batch { children: vec![new("free"), new("taken"), new("free too")], ..append(key, 2) };
    let applied = apply(store, batch).await.expect("a taken child id does not refuse the turn");
    let taken: Vec<_> = applied.children.iter().map(Option::is_none).collect();
    assert_eq!(taken, [false, true, false]);
}

async fn an_older_claim_is_refused(store: &dyn Store) {
    let old = store.claim(true).await.expect("nobody holds it");
    let key = created(store, "fenced").await;
    apply(store, Batch { epoch: Some(old), ..append(key, 2) }).await.expect("the claim holds");
    let newer = Epoch(old.0 + 1);
    assert_eq!(refusal(store, Batch { epoch: Some(newer), ..append(key, 3) }).await, ErrorKind::Fenced, "a claim nobody made");
    assert_eq!(refusal(store, Batch { epoch: Some(Epoch(old.0 - 1)), ..append(key, 3) }).await, ErrorKind::Fenced);
    apply(store, append(key, 3)).await.expect("a refused batch left nothing behind");
}

async fn messages_wait_in_order_until_they_are_consumed(store: &dyn Store) {
    let (one, two) = (created(store, "one").await, created(store, "two").await);
    for (key, name) in [(one, "a"), (two, "b"), (one, "c")] {
        apply(store, Batch { post: vec![(key, raised(name))], ..Batch::default() }).await.expect("they are there");
    }
    let all = store.messages(None, 0).await.expect("it is readable");
    let seen: Vec<_> = all.iter().map(|message| (message.id.as_str(), message.event.clone())).collect();
    assert_eq!(seen, [("one", raised("a")), ("two", raised("b")), ("one", raised("c"))]);
    assert_eq!(store.messages(Some(two), 0).await.expect("it is readable"), all[1..2]);
    assert_eq!(store.messages(None, all[1].number).await.expect("it is readable"), all[2..]);
    apply(store, Batch { consume: vec![all[0].number, all[1].number], ..append(one, 2) }).await.expect("it follows");
    assert_eq!(store.messages(None, 0).await.expect("it is readable"), all[2..]);
    let nobody = Batch { post: vec![(one + 1000, raised("x"))], ..Batch::default() };
    assert_eq!(refusal(store, nobody).await, ErrorKind::NotFound);
}

async fn what_has_to_run_is_found(store: &dyn Store) {
    let state = |status, busy, wake_at: Option<i64>| State { status, busy, wake_at: wake_at.map(Timestamp), ..State::pending() };
    for (id, state) in [
        ("asked", State::pending()),
        ("works", state(Status::Running, true, None)),
        ("late", state(Status::Running, false, Some(100))),
        ("later", state(Status::Running, false, Some(200))),
        ("waits", state(Status::Running, false, None)),
        ("done", state(Status::Completed, false, None)),
    ] {
        let key = created(store, id).await;
        apply(store, Batch { update: Some(Update { instance: key, state }), ..Batch::default() }).await.expect("it is there");
    }
    let found = async |which| store.runnable(which).await.expect("it is readable");
    let ids = async |which| found(which).await.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    let busy = |after, limit| Runnable::Busy { after, limit };
    let due = |now, limit| Runnable::Due { now: Timestamp(now), limit };
    assert_eq!(ids(busy(0, 9)).await, ["asked", "works"]);
    let first = found(busy(0, 1)).await;
    assert_eq!((first.len(), first[0].1.as_str()), (1, "asked"));
    assert_eq!(ids(busy(first[0].0, 9)).await, ["works"]);
    assert_eq!(ids(due(99, 9)).await, Vec::<String>::new());
    assert_eq!(ids(due(100, 9)).await, ["late"]);
    assert_eq!(ids(due(1000, 9)).await, ["late", "later"]);
    assert_eq!(ids(due(1000, 1)).await, ["late"]);
    assert_eq!(store.next_wake().await.expect("it is readable"), Some(Timestamp(100)));
}

async fn concurrent_batches_are_all_answered(store: &dyn Store) {
    let keys = join_all((0..500).map(|n| async move { created(store, &format!("many-{n}")).await })).await;
    let batches = keys.iter().map(|key| async move { apply(store, append(*key, 2)).await.expect("it follows") });
    join_all(batches).await;
    for key in keys {
        let stored = store.load(Lookup::Key(key)).await.expect("it is readable").expect("it is there");
        assert_eq!(stored.history.len(), 2);
    }
}

macro_rules! conformance {
    ($($guarantee:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $guarantee() { super::$guarantee(&super::MemoryStore::new()).await; })*
        }
        mod sqlite {
            $(#[tokio::test] async fn $guarantee() {
                let folder = tempfile::tempdir().expect("a folder for the test");
                let store = super::SqliteStore::open(folder.path().join("test.db"), super::Synchronous::Normal).await.expect("it opens");
                super::$guarantee(&store).await;
            })*
        }
    };
}

conformance! {
    what_was_written_is_read_back
    a_batch_is_applied_as_a_whole_or_not_at_all
    a_history_is_dense
    a_generation_takes_the_place_of_the_one_before
    a_message_by_id_reaches_who_has_not_ended
    a_census_counts_what_has_not_ended_by_the_code_that_started_it
    an_id_belongs_to_one_instance
    an_older_claim_is_refused
    messages_wait_in_order_until_they_are_consumed
    what_has_to_run_is_found
    concurrent_batches_are_all_answered
}

/// Two views of one store, as two processes have them.
async fn both(path: PathBuf) -> [(Arc<dyn Store>, Arc<dyn Store>); 2] {
    let memory = MemoryStore::new();
    let sqlite = async || Arc::new(SqliteStore::open(&path, Synchronous::Normal).await.expect("it opens")) as Arc<dyn Store>;
    [(Arc::new(memory.clone()), Arc::new(memory)), (sqlite().await, sqlite().await)]
}

#[tokio::test]
async fn a_client_rings_the_worker_and_the_worker_its_clients() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for (worker, client) in both(folder.path().join("test.db")).await {
        let epoch = worker.claim(false).await.expect("nobody holds it");
        let (asked, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        for (store, role, bell) in [(&worker, Role::Worker, asked.clone()), (&client, Role::Client, told.clone())] {
            store.listen(role, Arc::new(move || bell.notify_one())).expect("it can be listened to");
        }
        let key = created(&*client, "asked").await;
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, asked.notified()).await.expect("the worker hears of it");
        // The client hears its own writes, too; what counts is that it hears of the next one.
        while tokio::time::timeout(Duration::from_millis(50), told.notified()).await.is_ok() {}
        apply(&*worker, Batch { epoch: Some(epoch), ..append(key, 2) }).await.expect("it follows");
        tokio::time::timeout(patience, told.notified()).await.expect("the client hears of it");
    }
}
