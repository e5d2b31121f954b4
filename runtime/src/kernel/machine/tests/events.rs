//! What is brought to the machines of these tests.

use futures::channel::oneshot;
use serde::Serialize;

use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::message::Message;
use crate::kernel::machine::tests::seen::Answer;
use crate::kernel::payload::Payload;

pub(super) fn nudge() -> Input {
    Input::Deliver(Message::nudge())
}

pub(super) fn deliver(event: Event) -> Input {
    Input::Deliver(Message::of(event))
}

/// Somebody waits for the answer.
pub(super) fn asked(event: Event) -> (Input, Answer) {
    let (ack, answer) = oneshot::channel();
    (Input::Deliver(Message { ack: Some(ack), ..Message::of(event) }), Answer(answer))
}

/// The process shuts down.
pub(super) fn stop() -> Input {
    Input::Stop(RuntimeError::new(ErrorKind::ShuttingDown, "it is shut down"))
}

pub(super) fn json(value: impl Serialize) -> Payload {
    Payload::encode(&value).expect("it is JSON")
}

/// An attempt has returned this.
pub(super) fn returned(call: CallId, value: impl Serialize) -> Input {
    let event = Some(Event::TaskCompleted { id: call, result: json(value) });
    Input::AttemptEnded { call, last_heartbeat: None, event }
}

pub(super) fn failed(call: CallId) -> Input {
    let failure = Failure::new(FailureKind::Timeout, "late");
    let event = Some(Event::TaskFailed { id: call, failure, retry_at: None });
    Input::AttemptEnded { call, last_heartbeat: None, event }
}

/// An attempt that was cancelled has ended.
pub(super) fn stopped(call: CallId) -> Input {
    Input::AttemptEnded { call, last_heartbeat: None, event: None }
}

pub(super) fn go(value: impl Serialize) -> Event {
    Event::EventRaised { name: "go".to_owned(), input: json(value) }
}

pub(super) fn suspend() -> Event {
    Event::ExecutionSuspended { reason: "for now".to_owned() }
}

pub(super) fn resume() -> Event {
    resume_without(&[])
}

pub(super) fn resume_without(events: &[u64]) -> Event {
    Event::ExecutionResumed { reason: "again".to_owned(), without_events: events.to_vec() }
}

pub(super) fn terminate() -> Event {
    Event::ExecutionTerminated { reason: "enough".to_owned() }
}

/// The end of the sub-orchestration of a call.
pub(super) fn child_returned(call: CallId, value: u32) -> Event {
    Event::SubOrchestrationInstanceCompleted { id: call, result: json(value) }
}

/// The names of events, as a history lists them.
pub(super) fn names<'e>(events: impl IntoIterator<Item = &'e Event>) -> Vec<String> {
    let name = |event: &Event| serde_json::to_value(event).ok()?.as_object()?.keys().next().cloned();
    events.into_iter().filter_map(name).collect()
}

/// The result that a run has ended with.
pub(super) fn result(event: Option<&Event>) -> u32 {
    match event {
        Some(Event::ExecutionCompleted { result }) => result.decode().expect("it is a number"),
        other => panic!("it has not returned but {other:?}"),
    }
}
