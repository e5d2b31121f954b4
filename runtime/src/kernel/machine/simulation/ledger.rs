//! What was applied so far, and what must be true of each thing that is applied next.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::{CallId, EntityLock, Event, Parent, Turn};
use crate::kernel::function::Recorded;
use crate::kernel::payload::Payload;
use crate::kernel::stored::{Instance, StoredMessage};

/// How the reason of a request of a client begins: no two have one reason.
pub(super) const REASON: &str = "because of ";

#[derive(Default)]
pub(super) struct Ledger {
    /// Values and reasons that have reached the store.
    pub(super) seen: BTreeSet<String>,
    /// Events that were taken into a history.
    taken: BTreeSet<String>,
    /// Reasons of requests that were taken into a history.
    followed: BTreeSet<String>,
    /// Entries that books were asked to write.
    pub(super) sent: BTreeSet<String>,
    /// Entries that books have written.
    pub(super) written: BTreeSet<String>,
    /// How many generations of each id have ended: the end of one takes what has come last, without a trace.
    ends: BTreeMap<String, u32>,
    /// What its sender was told is not done.
    pub(super) refused: BTreeSet<String>,
}

/// What a store knows of a child: who has called it, and its outcome.
pub(super) type Known = (Option<Parent>, Option<Recorded>);

impl Ledger {
    /// Notes a turn of an orchestration, with the events of its execution so far.
    pub(super) fn turn(
        &mut self,
        instance: &Instance,
        before: &[Turn],
        earlier: &[&Event],
        turn: &Turn,
        child: impl Fn(&str) -> Option<Known>,
    ) {
        let id = &instance.id;
        let last = before.last().and_then(|turn| turn.events.last());
        if last.is_some_and(|last| last.outcome().is_some()) {
            let is_rewind = matches!(turn.events[..], [Event::ExecutionRewound { .. }]);
            assert!(is_rewind, "a turn follows the end of `{id}`: {:?}", turn.events);
        }
        let mut events = earlier.to_vec();
        for event in &turn.events {
            if event.outcome().is_some() || matches!(event, Event::ContinueAsNew { .. }) {
                *self.ends.entry(id.clone()).or_default() += 1;
            }
            self.note(id, event);
            check_outcome(id, &events, event);
            check_child(instance, &events, event, &child);
            events.push(event);
        }
    }

    /// How many generations of this id have ended.
    pub(super) fn ends(&self, id: &str) -> u32 {
        self.ends.get(id).copied().unwrap_or_default()
    }

    fn note(&mut self, id: &str, event: &Event) {
        match event {
            Event::EventRaised { input, .. } => {
                let value = text(input);
                assert!(self.taken.insert(value.clone()), "`{id}` takes the event `{value}` for the second time");
                self.see(value);
            }
            Event::ExecutionStarted { continued: Some(continued), .. } => {
                let mut carried = BTreeSet::new();
                for raised in &continued.events {
                    let value = text(&raised.input);
                    assert!(carried.insert(value.clone()), "a generation of `{id}` gets the event `{value}` twice");
                    self.taken.insert(value.clone());
                    self.see(value);
                }
            }
            other => {
                if let Some(reason) = reason(other) {
                    assert!(self.followed.insert(reason.to_owned()), "`{id}` follows `{reason}` for the second time");
                    self.see(reason.to_owned());
                }
            }
        }
    }

    fn see(&mut self, what: String) {
        assert!(!self.refused.contains(&what), "the sender of `{what}` was told that it is refused, and now it is done");
        self.seen.insert(what);
    }

    /// Notes a message that waits in an inbox.
    pub(super) fn posted(&mut self, event: &Event) {
        match event {
            Event::EventRaised { input, .. } => self.see(text(input)),
            event => {
                if let Some(reason) = reason(event) {
                    self.see(reason.to_owned());
                }
                if let Some(entry) = entry(event) {
                    assert!(self.sent.insert(entry.clone()), "a book is asked twice to write `{entry}`");
                    self.see(entry);
                }
            }
        }
    }

    /// Notes the state of an entity after a turn.
    pub(super) fn entity(&mut self, id: &str, before: &[Turn], turn: &Turn) {
        let (old, held) = book(before.last());
        let (new, holds) = book(Some(turn));
        assert!(new.starts_with(&old), "entries of `{id}` are lost: {old:?} becomes {new:?}");
        for entry in &new[old.len()..] {
            assert!(self.written.insert(entry.clone()), "`{id}` writes `{entry}` for the second time");
            self.see(entry.clone());
            if let Some(lock) = held.as_ref().filter(|held| Some(*held) == holds.as_ref()) {
                let own = format!("{}/", lock.holder.instance);
                assert!(entry.starts_with(&own), "`{entry}` is written while `{own}` has locked `{id}`");
            }
        }
    }

    /// Notes that a message was taken out of the inbox by a batch, which may have ended whom it was for.
    pub(super) fn consumed(&mut self, message: &StoredMessage, is_over: bool, batch: &Batch) {
        let Ok(event) = &message.event else { return };
        if let Event::EventRaised { input, .. } = event {
            let value = text(input);
            let is_posted = batch.post.iter().any(|(_, again)| again == event);
            // Of the last turn of a generation nothing is kept but what it leaves to the next.
            let is_taken = self.taken.contains(&value) || batch.continues.is_some() && self.taken.insert(value.clone());
            // What an end has left over is thrown away, also where the run is rewound meanwhile.
            let is_discarded = batch.append.is_none() && batch.update.is_none() && self.ends(&message.id) > 0;
            assert!(is_taken || is_over || is_posted || is_discarded, "the event `{value}` for `{}` is lost", message.id);
        }
        if let Some(entry) = entry(event) {
            assert!(self.written.contains(&entry), "`{entry}` for `{}` is lost", message.id);
        }
    }
}

fn text(input: &Payload) -> String {
    input.decode().expect("events carry texts")
}

/// The reason of a request of a client.
fn reason(event: &Event) -> Option<&str> {
    match event {
        Event::ExecutionSuspended { reason } | Event::ExecutionResumed { reason, .. } | Event::ExecutionTerminated { reason } => {
            Some(reason.as_str()).filter(|reason| reason.starts_with(REASON))
        }
        _ => None,
    }
}

/// What a book is asked to write.
fn entry(event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct PassOn {
        entry: String,
    }
    let (Event::EntityOperationCalled { operation, input, .. } | Event::EntityOperationSignaled { operation, input, .. }) = event
    else {
        return None;
    };
    match &**operation {
        "write" => Some(text(input)),
        "pass_on" => input.decode::<PassOn>().ok().map(|input| input.entry),
        _ => None,
    }
}

fn book(turn: Option<&Turn>) -> (Vec<String>, Option<EntityLock>) {
    #[derive(Default, Deserialize)]
    struct Book {
        entries: Vec<String>,
    }
    let Some(Event::EntityState { state, lock }) = turn.and_then(|turn| turn.events.last()) else { return (Vec::new(), None) };
    let book: Book = state.as_ref().map_or_else(Book::default, |state| state.decode().expect("it is a book"));
    (book.entries, lock.clone())
}

/// The call whose one outcome an event is.
fn outcome_of(event: &Event) -> Option<CallId> {
    match event {
        Event::TaskCompleted { id, .. }
        | Event::TaskFailed { id, retry_at: None, .. }
        | Event::TimerFired { id }
        | Event::SubOrchestrationInstanceCompleted { id, .. }
        | Event::SubOrchestrationInstanceFailed { id, .. }
        | Event::EntityOperationCompleted { id, .. }
        | Event::EntityOperationFailed { id, .. }
        | Event::EntityLockGranted { id, .. } => Some(*id),
        _ => None,
    }
}

/// An outcome is that of a call that was made, and the only one since the last rewind.
fn check_outcome(id: &str, earlier: &[&Event], event: &Event) {
    let Some(call) = outcome_of(event) else { return };
    let is_made = earlier.iter().any(|earlier| earlier.made_call() == Some(call));
    assert!(is_made, "`{id}` records the outcome of call {call}, which was not made: {event:?}");
    let since = earlier.iter().rposition(|event| matches!(event, Event::ExecutionRewound { .. })).map_or(0, |last| last + 1);
    let other = earlier[since..].iter().find(|earlier| outcome_of(earlier) == Some(call));
    assert!(other.is_none(), "call {call} of `{id}` has a second outcome: {event:?} after {other:?}");
}

/// What a caller records of its child is how that has ended.
fn check_child(instance: &Instance, earlier: &[&Event], event: &Event, child: &impl Fn(&str) -> Option<Known>) {
    let (call, recorded): (_, Recorded) = match event {
        Event::SubOrchestrationInstanceCompleted { id, result } => (*id, Ok(result.clone())),
        Event::SubOrchestrationInstanceFailed { id, failure, .. } => (*id, Err(failure.clone())),
        _ => return,
    };
    let called = earlier.iter().rev().find_map(|event| match event {
        Event::SubOrchestrationInstanceCreated { id, instance, .. } if *id == call => Some(instance),
        _ => None,
    });
    let Some((parent, outcome)) = called.and_then(|called| child(called)) else { return };
    if parent.is_some_and(|parent| parent.instance == instance.id && parent.id == call) {
        let id = &instance.id;
        assert_eq!(Some(&recorded), outcome.as_ref(), "`{id}` is told another end of call {call} than it had");
    } else {
        assert!(recorded.is_err(), "call {call} of `{}` has the result of another's child", instance.id);
    }
}
