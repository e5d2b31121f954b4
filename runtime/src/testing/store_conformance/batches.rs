//! A batch is one transaction, and its answer comes after it.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::given::{
    append, apply, create, created, end, ended, event, find, inbox, load, messages, new, post, raised, refusal, send, started,
    turn,
};
use crate::kernel::error::ErrorKind;
use crate::kernel::payload::Payload;
use crate::store::{
    Batch, Census, End, Epoch, Heartbeat, Lookup, Messages, NewInstance, OutOfLine, Owner, Parent, Registered, RegisteredKind,
    State, Status, Store, Timestamp, Update,
};

pub(super) async fn what_was_written_is_read_back(store: &dyn Store) {
    let state = State {
        status: Status::Running,
        busy: true,
        wake_at: Some(Timestamp(99)),
        custom_status: Some(Payload::encode("half way").expect("it is JSON")),
        report: Some("why".into()),
    };
    let parent = Some(Parent { instance: "boss".into(), id: 7 });
    let tags = BTreeMap::from([("tenant".to_owned(), "acme".to_owned())]);
    let order = NewInstance { parent: parent.clone(), state: state.clone(), tags: tags.clone(), ..new("order-1") };
    let batch = Batch { create: Some(order), ..Batch::default() };
    let key = apply(store, batch).await.created.expect("the answer tells the key");
    apply(store, append(key, 2)).await;
    let stored = load(store, "order-1").await;
    assert_eq!(stored.history, [turn(5, [started("orders")]), turn(20, [raised("a"), raised("b")])]);
    let found = store.find(Lookup::Key(key)).await.expect("it is readable").expect("it is there");
    assert_eq!(found, stored.instance);
    assert_eq!((found.key, found.id.as_str(), found.name.as_str()), (key, "order-1", "orders"));
    assert_eq!((found.created_at, found.updated_at), (Timestamp(5), Timestamp(20)));
    assert_eq!((found.parent, found.state, found.tags), (parent, state, tags));
    assert_eq!(store.turn(key, End::First).await.expect("it is readable"), Some(turn(5, [started("orders")])));
    assert_eq!(store.turn(key, End::Last).await.expect("it is readable"), Some(turn(20, [raised("a"), raised("b")])));
    assert_eq!(find(store, "nobody").await, None);
    assert_eq!(store.turn(key + 1000, End::Last).await.expect("it is readable"), None);
}

/// Whoever asks, another process too, reads what has been answered.
pub(super) async fn an_answer_comes_after_its_batch_can_be_read(store: &dyn Store, other: &dyn Store) {
    for round in 0..20 {
        let id = format!("order-{round}");
        let key = created(store, &id).await;
        assert_eq!(find(other, &id).await.map(|found| found.key), Some(key), "a start");
        apply(store, append(key, 2)).await;
        assert_eq!(load(other, &id).await.history.len(), 2, "a turn");
        apply(store, post(key, "go")).await;
        let told = messages(other, Messages::Of(key)).await;
        assert_eq!(told.len(), 1, "a message");
        apply(store, end(key, 3, Status::Completed)).await;
        assert_eq!(find(other, &id).await.map(|found| found.state.status), Some(Status::Completed), "a status");
    }
}

/// A batch with something of everything.
fn everything(key: i64, number: u32, consume: i64) -> Batch {
    let content = b"large".to_vec();
    let details = Some(Payload::encode(&1).expect("it is JSON"));
    Batch {
        create: Some(new("new")),
        children: vec![new("child")],
        update: Some(Update { instance: key, state: State { status: Status::Running, ..State::pending() } }),
        post: vec![(key, raised("posted"))],
        tell: vec![("child".into(), raised("told"))],
        heartbeats: vec![Heartbeat { instance: key, call: 1, details }],
        consume: vec![consume],
        out_of_line: [(Owner::Created, 1), (Owner::Child(0), 2), (Owner::Appended, 3)]
            .map(|(owner, key)| OutOfLine { owner, key, content: content.clone() })
            .into(),
        ..append(key, number)
    }
}

pub(super) async fn a_batch_is_applied_as_a_whole(store: &dyn Store) {
    let key = created(store, "first").await;
    let done = ended(store, "done", Status::Completed).await;
    apply(store, post(key, "before")).await;
    let consume = inbox(store).await[0].number;
    let applied = apply(store, Batch { purge: vec![done], ..everything(key, 2, consume) }).await;
    assert_eq!((applied.children.len(), applied.purged), (1, 1));
    assert_eq!(find(store, "new").await.map(|found| Some(found.key)), Some(applied.created), "the new instance");
    assert_eq!(find(store, "child").await.map(|found| Some(found.key)), Some(applied.children[0]), "the sub-orchestration");
    assert_eq!(find(store, "done").await, None, "the purge");
    let stored = load(store, "first").await;
    assert_eq!((stored.history.len(), stored.instance.state.status), (2, Status::Running), "the turn and the state");
    assert_eq!(stored.heartbeats.len(), 1, "the heartbeat");
    let told: Vec<_> =
        inbox(store).await.into_iter().map(|message| (message.id, message.event.expect("it is readable"))).collect();
    assert_eq!(told, [("first".to_owned(), raised("posted")), ("child".to_owned(), raised("told"))], "the messages");
    let out_of_line = store.out_of_line(vec![1, 2, 3]).await.expect("it is readable");
    assert_eq!(out_of_line.len(), 3, "the large values");
}

pub(super) async fn a_refused_batch_changes_nothing(store: &dyn Store) {
    let key = created(store, "first").await;
    apply(store, post(key, "before")).await;
    let before = inbox(store).await;
    assert_eq!(refusal(store, everything(key, 9, before[0].number)).await, ErrorKind::Invalid);
    let stored = load(store, "first").await;
    assert_eq!((stored.history.len(), stored.instance.state), (1, State::pending()));
    assert!(stored.heartbeats.is_empty());
    assert_eq!((find(store, "new").await, find(store, "child").await), (None, None));
    assert_eq!(inbox(store).await, before);
    assert!(store.out_of_line(vec![1, 2, 3]).await.expect("it is readable").is_empty());
}

pub(super) async fn a_history_is_dense(store: &dyn Store) {
    let key = created(store, "dense").await;
    apply(store, append(key, 2)).await;
    for wrong in [0, 1, 2, 4] {
        assert_eq!(refusal(store, append(key, wrong)).await, ErrorKind::Invalid, "turn {wrong} after turn 2");
    }
    assert_eq!(refusal(store, append(key + 1000, 1)).await, ErrorKind::Invalid, "an instance that is not there");
    apply(store, append(key, 3)).await;
}

pub(super) async fn an_execution_takes_the_place_of_the_one_before(store: &dyn Store) {
    let key = created(store, "eternal").await;
    apply(store, append(key, 2)).await;
    let next = |number| Batch { continues: Some("others".into()), ..append(key, number) };
    assert_eq!(refusal(store, next(2)).await, ErrorKind::Invalid, "it must follow the last turn");
    apply(store, next(3)).await;
    let stored = load(store, "eternal").await;
    assert_eq!((stored.instance.name.as_str(), stored.history), ("others", vec![turn(30, [raised("a"), raised("b")])]));
    assert_eq!((stored.instance.key, stored.instance.created_at), (key, Timestamp(5)));
    // The turn that continued is turn 1.
    apply(store, append(key, 2)).await;
}

pub(super) async fn out_of_line_values_live_as_long_as_their_history(store: &dyn Store) {
    let kept =
        async |keys: &[i64]| store.out_of_line(keys.to_vec()).await.expect("it is readable").into_keys().collect::<Vec<_>>();
    let with = |owner, key, batch| Batch { out_of_line: vec![OutOfLine { owner, key, content: vec![0, 255] }], ..batch };
    let key = apply(store, with(Owner::Created, 7, create("eternal"))).await.created.expect("the answer tells the key");
    apply(store, with(Owner::Appended, -8, append(key, 2))).await;
    let read = store.out_of_line(vec![7, -8, 9]).await.expect("it is readable");
    assert_eq!(read, BTreeMap::from([(-8, vec![0, 255]), (7, vec![0, 255])]), "one that is not there is left out");
    let next = Batch { continues: Some("orders".into()), ..append(key, 3) };
    apply(store, with(Owner::Appended, 10, next)).await;
    assert_eq!(kept(&[7, -8, 10]).await, [10], "those of the execution before are gone");
    apply(store, end(key, 2, Status::Completed)).await;
    assert_eq!(kept(&[10]).await, [10]);
    apply(store, Batch { purge: vec![key], ..Batch::default() }).await;
    assert_eq!(kept(&[10]).await, [0; 0], "a purge deletes them");
}

pub(super) async fn an_id_belongs_to_one_instance(store: &dyn Store) {
    let key = created(store, "taken").await;
    assert_eq!(refusal(store, create("taken")).await, ErrorKind::AlreadyExists);
    let batch = Batch { children: vec![new("free"), new("taken"), new("free too")], ..append(key, 2) };
    let applied = apply(store, batch).await;
    let taken: Vec<_> = applied.children.iter().map(Option::is_none).collect();
    assert_eq!(taken, [false, true, false], "a child whose id is taken does not refuse the turn");
}

/// Those of deleted instances and of messages that were taken included.
pub(super) async fn a_key_is_given_once(store: &dyn Store) {
    let one = created(store, "one").await;
    let batch = Batch { children: vec![new("two"), new("three")], ..create("four") };
    let more = apply(store, batch).await;
    let mut keys: Vec<_> = more.children.into_iter().flatten().chain(more.created).chain([one]).collect();
    assert_eq!(keys.len(), 4, "the answer tells every key");
    let last = ended(store, "last", Status::Completed).await;
    apply(store, Batch { purge: vec![last], ..Batch::default() }).await;
    keys.extend([last, created(store, "next").await]);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 6, "no two are the same: {keys:?}");

    apply(store, post(one, "first")).await;
    let first = inbox(store).await[0].number;
    apply(store, Batch { consume: vec![first], ..Batch::default() }).await;
    apply(store, post(one, "second")).await;
    let second = inbox(store).await[0].number;
    assert!(second > first, "message {second} came after message {first}");
}

pub(super) async fn an_older_claim_is_refused(store: &dyn Store) {
    let old = store.claim(true, Vec::new()).await.expect("nobody holds it");
    let key = created(store, "fenced").await;
    apply(store, Batch { epoch: Some(old), ..append(key, 2) }).await;
    let with = |epoch| Batch { epoch: Some(Epoch(epoch)), ..append(key, 3) };
    assert_eq!(refusal(store, with(old.0 + 1)).await, ErrorKind::Fenced, "a claim nobody made");
    assert_eq!(refusal(store, with(old.0 - 1)).await, ErrorKind::Fenced, "a claim before it");
    // A refused batch has left nothing behind.
    apply(store, append(key, 3)).await;
}

pub(super) async fn a_claim_tells_what_its_worker_can_run(store: &dyn Store, other: &dyn Store) {
    assert_eq!(store.registered().await.expect("it is readable"), []);
    let orchestrator = |version, shape| Registered::new(RegisteredKind::Orchestrator, "checkout", version, shape);
    let all = vec![orchestrator(1, 7), orchestrator(2, u64::MAX), Registered::new(RegisteredKind::Entity, "counter", 1, 0)];
    store.claim(true, all.iter().rev().cloned().collect()).await.expect("nobody else holds it");
    assert_eq!(store.registered().await.expect("it is readable"), all);
    assert_eq!(other.registered().await.expect("it is readable"), all);
}

pub(super) async fn a_census_counts_what_has_not_ended_by_its_code(store: &dyn Store) {
    let start = async |id: &str, continues: bool, version: u32, shape: u64, status| {
        let mut started = serde_json::json!({ "name": "orders", "input": 1, "shape": shape });
        if version > 1 {
            started["version"] = version.into();
        }
        let continued = continues.then(|| event(serde_json::json!({ "ContinueAsNew": { "execution": 1 } })));
        let started = event(serde_json::json!({ "ExecutionStarted": started }));
        let mut new = new(id);
        new.turn = turn(1, continued.into_iter().chain([started]));
        new.state.status = status;
        apply(store, Batch { create: Some(new), ..Batch::default() }).await;
    };
    start("a", false, 1, 7, Status::Running).await;
    start("b", true, 1, 7, Status::Suspended).await;
    start("c", false, 2, u64::MAX, Status::Pending).await;
    start("d", false, 2, u64::MAX - 1, Status::Running).await;
    start("e", false, 2, u64::MAX, Status::Completed).await;
    let row = |version, shape, instances| Census::new("orders".into(), version, shape, instances);
    let census = store.census().await.expect("it is readable");
    assert_eq!(census, [row(1, 7, 2), row(2, u64::MAX - 1, 1), row(2, u64::MAX, 1)]);
}

pub(super) async fn batches_that_come_together_are_all_answered(store: &dyn Store) {
    let keys = join_all((0..500).map(|n| async move { created(store, &format!("many-{n}")).await })).await;
    join_all(keys.iter().map(|key| apply(store, append(*key, 2)))).await;
    for n in 0..keys.len() {
        assert_eq!(load(store, &format!("many-{n}")).await.history.len(), 2);
    }
}

pub(super) async fn a_close_writes_what_is_queued(store: &dyn Store, other: &dyn Store) {
    let key = created(store, "closed").await;
    let answers: Vec<_> = (2..50).map(|number| send(store, append(key, number))).collect();
    store.close().await.expect("nothing is lost");
    for answer in answers {
        answer.await.expect("every batch is answered").expect("it follows");
    }
    assert_eq!(load(other, "closed").await.history.len(), 49);
}
