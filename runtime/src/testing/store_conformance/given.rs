//! The batches that the rules give a store.

use std::collections::BTreeMap;

use futures::channel::oneshot;

use crate::kernel::error::ErrorKind;
use crate::kernel::payload::Payload;
use crate::store::{
    Append, Applied, Batch, Event, Instance, InstanceKey, Lookup, Messages, NewInstance, Refused, State, Status, Store, Stored,
    StoredMessage, Timestamp, Turn, Update,
};

/// Sends a batch; the answer comes later.
pub(super) fn send(store: &dyn Store, batch: Batch) -> oneshot::Receiver<Result<Applied, Box<Refused>>> {
    let (sender, answer) = oneshot::channel();
    store.apply(batch, Box::new(move |result| drop(sender.send(result))));
    answer
}

pub(super) async fn apply(store: &dyn Store, batch: Batch) -> Applied {
    let answer = send(store, batch).await.expect("every batch is answered");
    answer.unwrap_or_else(|refused| panic!("refused: {}", refused.error))
}

pub(super) async fn refusal(store: &dyn Store, batch: Batch) -> ErrorKind {
    let given = format!("{batch:?}");
    let refused = send(store, batch).await.expect("every batch is answered").expect_err("the batch is refused");
    assert_eq!(format!("{:?}", refused.batch), given, "a refused batch comes back as it was given");
    refused.error.kind()
}

pub(super) fn event(value: serde_json::Value) -> Event {
    serde_json::from_value(value).expect("it is an event")
}

pub(super) fn started(name: &str) -> Event {
    event(serde_json::json!({ "ExecutionStarted": { "name": name, "input": [1, 2] } }))
}

pub(super) fn raised(name: &str) -> Event {
    Event::EventRaised { name: name.into(), input: Payload::encode(name).expect("it is JSON") }
}

pub(super) fn turn(at: i64, events: impl IntoIterator<Item = Event>) -> Turn {
    Turn { at: Timestamp(at), events: events.into_iter().collect() }
}

pub(super) fn new(id: &str) -> NewInstance {
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

pub(super) fn create(id: &str) -> Batch {
    Batch { create: Some(new(id)), ..Batch::default() }
}

/// A turn with two events. Turn `number` is of time `10 * number`.
pub(super) fn append(instance: InstanceKey, number: u32) -> Batch {
    let append = Append { instance, number, turn: turn(i64::from(number) * 10, [raised("a"), raised("b")]) };
    Batch { append: Some(append), ..Batch::default() }
}

/// A turn after which the instance has ended.
pub(super) fn end(instance: InstanceKey, number: u32, status: Status) -> Batch {
    let state = State { status, busy: false, ..State::pending() };
    Batch { update: Some(Update { instance, state }), ..append(instance, number) }
}

pub(super) fn post(instance: InstanceKey, name: &str) -> Batch {
    Batch { post: vec![(instance, raised(name))], ..Batch::default() }
}

pub(super) async fn created(store: &dyn Store, id: &str) -> InstanceKey {
    apply(store, create(id)).await.created.expect("the answer tells the key")
}

pub(super) async fn ended(store: &dyn Store, id: &str, status: Status) -> InstanceKey {
    let key = created(store, id).await;
    apply(store, end(key, 2, status)).await;
    key
}

pub(super) async fn load(store: &dyn Store, id: &str) -> Stored {
    store.load(Lookup::Id(id.into())).await.expect("it is readable").unwrap_or_else(|| panic!("`{id}` is there"))
}

pub(super) async fn find(store: &dyn Store, id: &str) -> Option<Instance> {
    store.find(Lookup::Id(id.into())).await.expect("it is readable")
}

/// All messages, the oldest first.
pub(super) async fn inbox(store: &dyn Store) -> Vec<StoredMessage> {
    messages(store, Messages::All).await
}

pub(super) async fn messages(store: &dyn Store, which: Messages) -> Vec<StoredMessage> {
    store.messages(which).await.expect("it is readable")
}

pub(super) fn ids<T>(found: &[(T, String)]) -> Vec<&str> {
    found.iter().map(|(_, id)| id.as_str()).collect()
}
