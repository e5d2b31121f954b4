//! The values of users in an event.

use crate::kernel::engine::event::history::Event;
use crate::kernel::payload::Payload;

/// What an event holds of users' values.
pub(crate) enum Part<'a> {
    /// The arguments of a call, which a replay only compares.
    CallInput(&'a mut Payload),
    /// Any other value.
    Value(&'a mut Payload),
    /// What an error says.
    Text(&'a mut String),
}

impl<'a> Part<'a> {
    /// The value, if it is one.
    pub(crate) fn into_value(self) -> Option<&'a mut Payload> {
        match self {
            Self::CallInput(payload) | Self::Value(payload) => Some(payload),
            Self::Text(_) => None,
        }
    }
}

impl Event {
    /// Shows everything in it that came from users as a value.
    pub(crate) fn visit(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        match self {
            Self::ExecutionStarted { input, continued, .. } => {
                visit(Part::Value(input));
                let events = continued.iter_mut().flat_map(|continued| &mut continued.events);
                events.for_each(|raised| visit(Part::Value(&mut raised.input)));
            }
            Self::TaskScheduled { input, .. }
            | Self::SubOrchestrationInstanceCreated { input, .. }
            | Self::EntityOperationCalled { input, .. }
            | Self::EntityOperationSignaled { input, .. } => visit(Part::CallInput(input)),
            Self::TaskCompleted { result, .. }
            | Self::SubOrchestrationInstanceCompleted { result, .. }
            | Self::SideEffect { result, .. }
            | Self::EventRaised { input: result, .. }
            | Self::EntityOperationCompleted { result, .. }
            | Self::EntityState { state: Some(result), .. }
            | Self::ExecutionCompleted { result } => visit(Part::Value(result)),
            Self::TaskFailed { failure, .. }
            | Self::EntityOperationFailed { failure, .. }
            | Self::SubOrchestrationInstanceFailed { failure, .. }
            | Self::ExecutionFailed { failure } => {
                let (value, texts) = failure.parts();
                value.into_iter().for_each(|value| visit(Part::Value(value)));
                texts.for_each(|text| visit(Part::Text(text)));
            }
            _ => {}
        }
    }
}
