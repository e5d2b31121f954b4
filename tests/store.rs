//! What every store promises: one suite, run against each of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dacapo::store::{
    Append, Applied, Batch, End, Epoch, Event, Heartbeat, InstanceKey, Lookup, MemoryStore, NewInstance, Parent, Refused,
    Registered, RegisteredKind, Role, Runnable, SqliteStore, State, Store, Synchronous, Timestamp, Turn, Update,
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
        created_at: Timestamp(5),
        tags: BTreeMap::new(),
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

async fn an_id_belongs_to_one_instance(store: &dyn Store) {
    let key = created(store, "taken").await;
    assert_eq!(refusal(store, create("taken")).await, ErrorKind::AlreadyExists);
    let batch = Batch { children: vec![new("free"), new("taken"), new("free too")], ..append(key, 2) };
    let applied = apply(store, batch).await.expect("a taken child id does not refuse the turn");
    let taken: Vec<_> = applied.children.iter().map(Option::is_none).collect();
    assert_eq!(taken, [false, true, false]);
}

async fn an_older_claim_is_refused(store: &dyn Store) {
    let old = store.claim(true, Vec::new()).await.expect("nobody holds it");
    let key = created(store, "fenced").await;
    apply(store, Batch { epoch: Some(old), ..append(key, 2) }).await.expect("the claim holds");
    let newer = Epoch(old.0 + 1);
    assert_eq!(refusal(store, Batch { epoch: Some(newer), ..append(key, 3) }).await, ErrorKind::Fenced, "a claim nobody made");
    assert_eq!(refusal(store, Batch { epoch: Some(Epoch(old.0 - 1)), ..append(key, 3) }).await, ErrorKind::Fenced);
    apply(store, append(key, 3)).await.expect("a refused batch left nothing behind");
}

async fn a_claim_says_what_its_worker_can_run(store: &dyn Store) {
    assert_eq!(store.registered().await.expect("it is readable"), []);
    let orchestrator = |version, shape| Registered::new(RegisteredKind::Orchestrator, "checkout", version, shape);
    let all = vec![orchestrator(1, 7), orchestrator(2, u64::MAX), Registered::new(RegisteredKind::Entity, "counter", 1, 0)];
    store.claim(true, all.iter().rev().cloned().collect()).await.expect("nobody else holds it");
    assert_eq!(store.registered().await.expect("it is readable"), all);
}

async fn messages_wait_in_order_until_they_are_consumed(store: &dyn Store) {
    let (one, two) = (created(store, "one").await, created(store, "two").await);
    for (key, name) in [(one, "a"), (two, "b"), (one, "c")] {
        apply(store, Batch { post: vec![(key, raised(name))], ..Batch::default() }).await.expect("they are there");
    }
    let all = store.messages(None, 0).await.expect("it is readable");
    let seen: Vec<_> = all.iter().map(|message| (message.id.as_str(), message.event.clone().expect("it is readable"))).collect();
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

async fn ended(store: &dyn Store, id: &str, status: Status) -> InstanceKey {
    let key = created(store, id).await;
    let update = Some(Update { instance: key, state: State { status, busy: false, ..State::pending() } });
    apply(store, Batch { update, ..append(key, 2) }).await.expect("it follows");
    key
}

async fn a_purge_leaves_nothing_and_touches_nothing_unfinished(store: &dyn Store) {
    let (gone, lives) = (ended(store, "gone", Status::Completed).await, created(store, "lives").await);
    apply(store, Batch { post: vec![(gone, raised("late"))], ..Batch::default() }).await.expect("it is there");
    let both = Batch { purge: vec![gone, lives], post: vec![(lives, raised("lost"))], ..Batch::default() };
    assert_eq!(refusal(store, both).await, ErrorKind::Unfinished);
    assert_eq!(store.messages(None, 0).await.expect("it is readable").len(), 1, "a refused purge writes nothing");
    let mut again = create("gone");
    again.purge = vec![gone];
    let key = apply(store, again).await.expect("the id is free when the old one is gone").created.expect("the key is told");
    assert!(key > lives, "a key is never given twice");
    let purge = |key| apply(store, Batch { purge: vec![key, key, gone], ..Batch::default() });
    assert_eq!(purge(gone).await.expect("nothing is to be done").purged, 0);
    assert_eq!(purge(ended(store, "third", Status::Completed).await).await.expect("it has ended").purged, 1);
    let stored = store.load(by_id("gone")).await.expect("it is readable").expect("it is there");
    assert_eq!((stored.instance.key, stored.history.len()), (key, 1));
    assert!(store.messages(None, 0).await.expect("it is readable").is_empty());
    let taken = Batch { purge: vec![ended(store, "other", Status::Failed).await], ..create("lives") };
    assert_eq!(refusal(store, taken).await, ErrorKind::AlreadyExists);
    assert!(store.find(by_id("other")).await.expect("it is readable").is_some(), "a refused batch purges nothing");
}

async fn an_entity_is_purged_unless_a_message_waits_for_it(store: &dyn Store) {
    let key = created(store, "@counter@a").await;
    let purge = || Batch { purge: vec![key], ..Batch::default() };
    apply(store, Batch { tell: vec![("@counter@a".into(), raised("call"))], ..Batch::default() }).await.expect("it is told");
    assert_eq!(refusal(store, purge()).await, ErrorKind::Unfinished);
    let waiting = store.messages(Some(key), 0).await.expect("it is readable");
    let consume = waiting.iter().map(|message| message.number).collect();
    apply(store, Batch { consume, ..Batch::default() }).await.expect("it is taken");
    apply(store, purge()).await.expect("nothing waits");
    assert!(store.find(by_id("@counter@a")).await.expect("it is readable").is_none());
}

async fn a_family_is_purged_only_when_all_of_it_has_ended(store: &dyn Store) {
    let boss = created(store, "boss").await;
    let child = |id: &str| NewInstance { parent: Some(Parent { instance: "boss".into(), id: 1 }), ..new(id) };
    let keys =
        apply(store, Batch { children: vec![child("a"), child("b")], ..append(boss, 2) }).await.expect("it follows").children;
    let (a, b) = (keys[0].expect("it is new"), keys[1].expect("it is new"));
    let end = |key, number| Batch {
        update: Some(Update { instance: key, state: State { status: Status::Completed, busy: false, ..State::pending() } }),
        ..append(key, number)
    };
    let purge = |key| Batch { purge: vec![key], ..Batch::default() };
    apply(store, end(a, 2)).await.expect("it follows");
    assert_eq!(refusal(store, purge(a)).await, ErrorKind::Unfinished, "its caller runs");
    apply(store, end(boss, 3)).await.expect("it follows");
    assert_eq!(refusal(store, purge(boss)).await, ErrorKind::Unfinished, "one it called runs");
    assert_eq!(
        store.ended(Status::Completed, 9).await.expect("it is readable"),
        [(boss, Timestamp(30))],
        "a child waits for its caller"
    );
    apply(store, end(b, 2)).await.expect("it follows");
    apply(store, purge(boss)).await.expect("all of them have ended");
    let orphan = store.find(Lookup::Key(a)).await.expect("it is readable").expect("it stays");
    assert_eq!(orphan.parent, None);
    let ended = store.ended(Status::Completed, 1).await.expect("it is readable");
    assert_eq!(ended.len(), 1, "no more than asked for");
    assert_eq!(ended[0].1, Timestamp(20));
}

async fn a_start_that_is_not_due_is_left_alone(store: &dyn Store) {
    let mut batch = create("later");
    if let Some(new) = &mut batch.create {
        new.state = State { busy: false, wake_at: Some(Timestamp(100)), ..State::pending() };
        new.tags = BTreeMap::from([("tenant".to_owned(), "acme".to_owned())]);
    }
    apply(store, batch).await.expect("the id is free");
    let runnable =
        async |which| store.runnable(which).await.expect("it is readable").into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    assert_eq!(runnable(Runnable::Busy { after: 0, limit: 9 }).await, Vec::<String>::new());
    assert_eq!(runnable(Runnable::Due { now: Timestamp(100), limit: 9 }).await, ["later"]);
    let found = store.find(by_id("later")).await.expect("it is readable").expect("it is there");
    assert_eq!(found.tags.get("tenant").map(String::as_str), Some("acme"));
    assert_eq!(store.counts().await.expect("it is readable"), BTreeMap::from([(Status::Pending, 1)]));
}

async fn what_is_told_by_id_reaches_the_unfinished_only(store: &dyn Store) {
    let boss = created(store, "boss").await;
    ended(store, "done", Status::Completed).await;
    let tell = ["done", "child", "nobody"].map(|id| (id.to_owned(), raised("go"))).into();
    let batch = Batch { children: vec![new("child")], tell, ..append(boss, 2) };
    apply(store, batch).await.expect("nobody has to be there");
    let told = store.messages(None, 0).await.expect("it is readable");
    assert_eq!(told.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["child"]);
    let lost = Batch { tell: vec![("child".into(), raised("lost"))], ..append(boss, 9) };
    assert_eq!(refusal(store, lost).await, ErrorKind::Invalid);
    assert_eq!(store.messages(None, 0).await.expect("it is readable"), told);
}

async fn the_last_heartbeat_is_kept_until_it_is_deleted(store: &dyn Store) {
    let key = created(store, "works").await;
    let over = ended(store, "over", Status::Failed).await;
    let beat = |instance, call, details: Option<u32>| {
        let details = details.map(|n| Payload::encode(&n).expect("it is JSON"));
        Batch { heartbeats: vec![Heartbeat { instance, call, details }], ..Batch::default() }
    };
    let kept = async |id: &str| {
        let stored = store.load(by_id(id)).await.expect("it is readable").expect("it is there");
        stored.heartbeats.into_iter().map(|(call, details)| (call, details.to_string())).collect::<Vec<_>>()
    };
    for batch in
        [beat(key, 1, Some(1)), beat(key, 2, Some(5)), beat(key, 1, Some(2)), beat(over, 1, Some(1)), beat(9999, 1, Some(1))]
    {
        apply(store, batch).await.expect("a heartbeat is never refused");
    }
    assert_eq!(kept("works").await, [(1, "2".to_owned()), (2, "5".to_owned())]);
    assert_eq!(kept("over").await, [], "one that comes too late is left out");
    apply(store, beat(key, 1, None)).await.expect("it is there");
    assert_eq!(kept("works").await, [(2, "5".to_owned())]);
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
    a_census_counts_what_has_not_ended_by_the_code_that_started_it
    an_id_belongs_to_one_instance
    an_older_claim_is_refused
    a_claim_says_what_its_worker_can_run
    messages_wait_in_order_until_they_are_consumed
    what_has_to_run_is_found
    a_purge_leaves_nothing_and_touches_nothing_unfinished
    an_entity_is_purged_unless_a_message_waits_for_it
    a_family_is_purged_only_when_all_of_it_has_ended
    a_start_that_is_not_due_is_left_alone
    what_is_told_by_id_reaches_the_unfinished_only
    the_last_heartbeat_is_kept_until_it_is_deleted
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
        let epoch = worker.claim(false, Vec::new()).await.expect("nobody holds it");
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
