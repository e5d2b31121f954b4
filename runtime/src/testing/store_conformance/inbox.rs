//! What waits for the worker, and what a worker has to run.

use std::collections::BTreeMap;

use super::given::{append, apply, created, end, ended, ids, inbox, load, messages, new, post, raised, refusal};
use crate::kernel::error::ErrorKind;
use crate::kernel::payload::Payload;
use crate::store::{Batch, Event, Heartbeat, Messages, NewInstance, Runnable, State, Status, Store, Timestamp, Update};

pub(super) async fn messages_wait_in_order_until_they_are_consumed(store: &dyn Store) {
    let (one, two) = (created(store, "one").await, created(store, "two").await);
    for (key, name) in [(one, "a"), (two, "b"), (one, "c")] {
        apply(store, post(key, name)).await;
    }
    let all = inbox(store).await;
    let seen: Vec<_> = all.iter().map(|message| (message.id.as_str(), message.event.clone().expect("it is readable"))).collect();
    assert_eq!(seen, [("one", raised("a")), ("two", raised("b")), ("one", raised("c"))]);
    assert_eq!(messages(store, Messages::Of(two)).await, all[1..2]);
    let numbers: Vec<_> = all.iter().map(|message| message.number).collect();
    assert_eq!(store.waiting().await.expect("it is readable"), numbers);
    assert_eq!(
        messages(store, Messages::Numbered(vec![numbers[0], numbers[2], numbers[2] + 1000])).await,
        [all[0].clone(), all[2].clone()]
    );
    apply(store, Batch { consume: vec![all[0].number, all[1].number], ..append(one, 2) }).await;
    assert_eq!(inbox(store).await, all[2..], "a turn takes the messages it consumes");
    assert_eq!(refusal(store, post(one + 1000, "x")).await, ErrorKind::NotFound);
}

pub(super) async fn messages_wait_with_an_instance_that_is_set_aside(store: &dyn Store) {
    let (key, other) = (created(store, "suspended").await, created(store, "runs").await);
    let becomes = |state| Batch { update: Some(Update { instance: key, state }), ..Batch::default() };
    let waiting = async || {
        let numbers = store.waiting().await.expect("it is readable");
        let events = messages(store, Messages::Numbered(numbers)).await.into_iter().map(|message| message.event);
        events.map(|event| event.expect("it is readable")).collect::<Vec<_>>()
    };
    let resume = Event::ExecutionResumed { reason: "go".into(), without_events: Vec::new() };
    apply(store, post(key, "before")).await;
    apply(store, becomes(State { status: Status::Suspended, busy: false, ..State::pending() })).await;
    apply(store, post(key, "meanwhile")).await;
    apply(store, Batch { tell: vec![("suspended".into(), raised("told"))], ..post(other, "other") }).await;
    assert_eq!(waiting().await, [raised("other")], "those of an instance that is set aside wait with it");
    apply(store, Batch { post: vec![(key, resume.clone())], ..Batch::default() }).await;
    assert_eq!(waiting().await, [raised("other"), resume.clone()], "a request does not wait");
    apply(store, Batch { takes_up: true, ..becomes(State { status: Status::Running, ..State::pending() }) }).await;
    let all = ["before", "meanwhile"].map(raised).into_iter().chain([raised("other"), raised("told"), resume]);
    assert_eq!(waiting().await.len(), all.count(), "all are handed out when the instance goes on");
    let later = State { busy: false, wake_at: Some(Timestamp(1_000)), ..State::pending() };
    apply(store, Batch { create: Some(NewInstance { state: later, ..new("later") }), ..Batch::default() }).await;
    apply(store, Batch { tell: vec![("later".into(), raised("early"))], ..Batch::default() }).await;
    assert!(!waiting().await.contains(&raised("early")), "so do those of a start that is not due");
}

pub(super) async fn what_is_told_by_id_reaches_the_unfinished_only(store: &dyn Store) {
    let boss = created(store, "boss").await;
    ended(store, "done", Status::Completed).await;
    let tell = ["done", "child", "nobody"].map(|id| (id.to_owned(), raised("go"))).into();
    apply(store, Batch { children: vec![new("child")], tell, ..append(boss, 2) }).await;
    let told = inbox(store).await;
    assert_eq!(told.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["child"]);
}

pub(super) async fn the_last_heartbeat_is_kept_until_it_is_deleted(store: &dyn Store) {
    let key = created(store, "works").await;
    let over = ended(store, "over", Status::Failed).await;
    let beat = |instance, call, details: Option<u32>| {
        let details = details.map(|n| Payload::encode(&n).expect("it is JSON"));
        Batch { heartbeats: vec![Heartbeat { instance, call, details }], ..Batch::default() }
    };
    let kept = async |id: &str| {
        let heartbeats = load(store, id).await.heartbeats;
        heartbeats.into_iter().map(|(call, details)| (call, details.to_string())).collect::<Vec<_>>()
    };
    for batch in
        [beat(key, 1, Some(1)), beat(key, 2, Some(5)), beat(key, 1, Some(2)), beat(over, 1, Some(1)), beat(9999, 1, Some(1))]
    {
        apply(store, batch).await;
    }
    assert_eq!(kept("works").await, [(1, "2".to_owned()), (2, "5".to_owned())]);
    assert_eq!(kept("over").await, [], "one that comes too late is left out");
    apply(store, beat(key, 1, None)).await;
    assert_eq!(kept("works").await, [(2, "5".to_owned())]);
    apply(store, end(key, 2, Status::Completed)).await;
    assert_eq!(kept("works").await, [], "what has ended has none");
}

pub(super) async fn what_has_to_run_is_found(store: &dyn Store) {
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
        apply(store, Batch { update: Some(Update { instance: key, state }), ..Batch::default() }).await;
    }
    let found = async |which| store.runnable(which).await.expect("it is readable");
    let busy = |after, limit| Runnable::Busy { after, limit };
    let due = |now, limit| Runnable::Due { now: Timestamp(now), limit };
    assert_eq!(ids(&found(busy(0, 9)).await), ["asked", "works"]);
    assert_eq!(ids(&found(Runnable::New { limit: 9 }).await), ["asked"]);
    assert_eq!(found(Runnable::New { limit: 0 }).await, []);
    let first = found(busy(0, 1)).await;
    assert_eq!(ids(&first), ["asked"]);
    assert_eq!(ids(&found(busy(first[0].0, 9)).await), ["works"]);
    assert_eq!(found(due(99, 9)).await, []);
    assert_eq!(ids(&found(due(100, 9)).await), ["late"]);
    assert_eq!(ids(&found(due(1000, 9)).await), ["late", "later"]);
    assert_eq!(ids(&found(due(1000, 1)).await), ["late"]);
    assert_eq!(store.next_wake().await.expect("it is readable"), Some(Timestamp(100)));
}

pub(super) async fn a_start_that_is_not_due_is_left_alone(store: &dyn Store) {
    let state = State { busy: false, wake_at: Some(Timestamp(100)), ..State::pending() };
    apply(store, Batch { create: Some(NewInstance { state, ..new("later") }), ..Batch::default() }).await;
    let found = async |which| store.runnable(which).await.expect("it is readable");
    assert_eq!(found(Runnable::Busy { after: 0, limit: 9 }).await, []);
    assert_eq!(ids(&found(Runnable::Due { now: Timestamp(100), limit: 9 }).await), ["later"]);
    assert_eq!(store.counts().await.expect("it is readable"), BTreeMap::from([(Status::Pending, 1)]));
}
