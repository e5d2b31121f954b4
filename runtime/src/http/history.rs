//! The `historyEvents` of a status: a history as Durable Functions shows one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::http::parameters::to_ticks;
use crate::kernel::failure::Failure;
use crate::kernel::payload::Payload;
use crate::kernel::trace::TraceContext;
use crate::store::{CallId, Event, Timestamp, Turn};

/// What of a history is shown beside its course.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) inputs: bool,
    pub(super) outputs: bool,
}

/// One entry. What does not belong to its type is left out. An input is the recorded text, a result the value.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row {
    event_type: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestration_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fire_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_details: Option<FailureDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_trace_context: Option<ParentTraceContext>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ParentTraceContext {
    trace_parent: String,
    trace_state: Option<String>,
}

impl ParentTraceContext {
    fn of(trace: &TraceContext) -> Self {
        Self { trace_parent: trace.traceparent().to_owned(), trace_state: trace.tracestate().map(str::to_owned) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FailureDetails {
    error_type: String,
    error_message: String,
    stack_trace: Option<String>,
    inner_failure: Option<Box<Self>>,
    is_non_retriable: bool,
    properties: Option<()>,
}

impl FailureDetails {
    fn of(failure: &Failure) -> Self {
        let error_type = match failure.type_name() {
            "" => format!("{:?}", failure.kind()),
            named => named.to_owned(),
        };
        let details = |error_type, error_message, inner_failure| Self {
            error_type,
            error_message,
            stack_trace: None,
            inner_failure,
            is_non_retriable: !failure.is_retryable(),
            properties: None,
        };
        let inner =
            failure.causes().iter().rev().fold(None, |inner, cause| Some(Box::new(details(String::new(), cause.clone(), inner))));
        details(error_type, failure.message().to_owned(), inner)
    }
}

/// A call: when it was made, of what, with what.
type Called<'a> = (Timestamp, &'a str, &'a Payload);

/// The rows of a history. A call is left out once its end is there, which then tells of it.
pub(super) fn rows(history: &[Turn], shown: Shown) -> Vec<Row> {
    // A start that was put off is written at the time it is due, and may have been ended before that.
    let at = |turn: &Turn| history.last().map_or(turn.at, |last| turn.at.min(last.at));
    let events = || history.iter().flat_map(|turn| turn.events.iter().map(move |event| (at(turn), event)));
    let (mut calls, mut timers) = (BTreeMap::<CallId, Called<'_>>::new(), BTreeMap::new());
    let mut ended = BTreeSet::new();
    for (at, event) in events() {
        match event {
            Event::TaskScheduled { id, name, input, .. } | Event::SubOrchestrationInstanceCreated { id, name, input, .. } => {
                calls.insert(*id, (at, name, input));
            }
            Event::TimerCreated { id, fire_at, .. } => {
                timers.insert(*id, *fire_at);
            }
            Event::TaskCompleted { id, .. }
            | Event::TaskFailed { id, .. }
            | Event::SubOrchestrationInstanceCompleted { id, .. }
            | Event::SubOrchestrationInstanceFailed { id, .. } => {
                ended.insert(*id);
            }
            _ => {}
        }
    }
    let writer = Writer { shown, calls, timers, ended };
    events().filter_map(|(at, event)| writer.row(at, event)).collect()
}

struct Writer<'a> {
    shown: Shown,
    calls: BTreeMap<CallId, Called<'a>>,
    timers: BTreeMap<CallId, Timestamp>,
    ended: BTreeSet<CallId>,
}

impl Writer<'_> {
    fn row(&self, at: Timestamp, event: &Event) -> Option<Row> {
        let row = |event_type| Row { event_type, timestamp: to_ticks(at), ..Row::default() };
        Some(match event {
            Event::ExecutionStarted { name, input, trace, .. } => Row {
                function_name: Some(name.clone()),
                input: self.input(input),
                parent_trace_context: trace.as_deref().map(ParentTraceContext::of),
                ..row("ExecutionStarted")
            },
            Event::TaskScheduled { id, .. } | Event::SubOrchestrationInstanceCreated { id, .. } if self.ended.contains(id) => {
                return None;
            }
            Event::TaskScheduled { name, input, .. } => {
                Row { name: Some(name.to_string()), input: self.input(input), ..row("TaskScheduled") }
            }
            Event::SubOrchestrationInstanceCreated { name, instance, input, .. } => Row {
                name: Some(name.to_string()),
                instance_id: Some(instance.clone()),
                input: self.input(input),
                ..row("SubOrchestrationInstanceCreated")
            },
            Event::TaskCompleted { id, result } => Row { result: self.output(result), ..self.of_call(*id, row("TaskCompleted")) },
            Event::SubOrchestrationInstanceCompleted { id, result } => {
                Row { result: self.output(result), ..self.of_call(*id, row("SubOrchestrationInstanceCompleted")) }
            }
            Event::TaskFailed { id, failure, .. } => failed(self.of_call(*id, row("TaskFailed")), failure),
            Event::SubOrchestrationInstanceFailed { id, failure, .. } => {
                failed(self.of_call(*id, row("SubOrchestrationInstanceFailed")), failure)
            }
            Event::TimerCreated { fire_at, .. } => Row { fire_at: Some(to_ticks(*fire_at)), ..row("TimerCreated") },
            Event::TimerFired { id } => Row { fire_at: self.timers.get(id).copied().map(to_ticks), ..row("TimerFired") },
            // Only the inputs of runs and of calls are left out where inputs are not asked for.
            Event::EventRaised { name, input } => Row { name: Some(name.clone()), input: text(input), ..row("EventRaised") },
            // The status tells them.
            Event::EventsNotTaken { .. } => return None,
            Event::ExecutionCompleted { result } => {
                Row { orchestration_status: Some("Completed"), result: self.output(result), ..row("ExecutionCompleted") }
            }
            Event::ExecutionFailed { failure } => Row {
                orchestration_status: Some("Failed"),
                result: Payload::encode(failure.message()).ok().and_then(|message| self.output(&message)),
                failure_details: Some(FailureDetails::of(failure)),
                ..row("ExecutionCompleted")
            },
            // A reason, though its name is that of an input.
            Event::ExecutionTerminated { reason } => Row { input: Some(reason.clone()), ..row("ExecutionTerminated") },
            Event::ExecutionSuspended { reason } => Row { reason: Some(reason.clone()), ..row("ExecutionSuspended") },
            Event::ExecutionResumed { reason, .. } => Row { reason: Some(reason.clone()), ..row("ExecutionResumed") },
            Event::ExecutionRewound { reason } => Row { reason: Some(reason.clone()), ..row("ExecutionRewound") },
            Event::SideEffect { result, .. } => {
                Row { name: Some("SideEffect".to_owned()), result: self.output(result), ..row("GenericEvent") }
            }
            Event::Patched { name } => Row { name: Some("Patched".to_owned()), data: Some(name.clone()), ..row("GenericEvent") },
            // There the messages to and from entities are events sent and raised, named after the operation and the call.
            Event::EntityOperationCalled { entity, operation, input, .. }
            | Event::EntityOperationSignaled { entity, operation, input, .. } => Row {
                name: Some(operation.to_string()),
                instance_id: Some(entity.clone()),
                input: text(input),
                ..row("EventSent")
            },
            Event::EntityLockRequested { entities, .. } => {
                Row { name: Some("lock".to_owned()), instance_id: entities.first().cloned(), ..row("EventSent") }
            }
            Event::EntityUnlockSent { entities, .. } => {
                Row { name: Some("release".to_owned()), instance_id: entities.first().cloned(), ..row("EventSent") }
            }
            Event::EntityOperationCompleted { id, result, .. } => {
                Row { name: Some(id.to_string()), input: text(result), ..row("EventRaised") }
            }
            Event::EntityOperationFailed { id, failure, .. } => {
                failed(Row { name: Some(id.to_string()), ..row("EventRaised") }, failure)
            }
            Event::EntityLockGranted { id, .. } => Row { name: Some(id.to_string()), ..row("EventRaised") },
            Event::EntityState { .. } => return None,
            // There the history of an execution begins with its `ExecutionStarted`.
            Event::ContinueAsNew { .. } => return None,
        })
    }

    fn input(&self, input: &Payload) -> Option<String> {
        text(input).filter(|_| self.shown.inputs)
    }

    fn output(&self, result: &Payload) -> Option<Payload> {
        Some(result).filter(|result| self.shown.outputs && !result.is_sealed()).cloned()
    }

    fn of_call(&self, id: CallId, row: Row) -> Row {
        match self.calls.get(&id) {
            Some((at, name, input)) => Row {
                scheduled_time: Some(to_ticks(*at)),
                function_name: Some((*name).to_owned()),
                input: self.input(input),
                ..row
            },
            None => row,
        }
    }
}

/// A value as text; nothing for one that cannot be decoded here.
fn text(value: &Payload) -> Option<String> {
    Some(value).filter(|value| !value.is_sealed()).map(Payload::to_string)
}

fn failed(row: Row, failure: &Failure) -> Row {
    let details = failure.causes().join("\n");
    let failure_details = Some(FailureDetails::of(failure));
    Row { reason: Some(failure.message().to_owned()), details: Some(details), failure_details, ..row }
}
