//! What a history is made of. The names are Durable Task's (`DurableTask.Core/History/EventType.cs`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::payload::Payload;
use crate::time::Timestamp;

/// The number of a call within its execution: 1 is the first, in the order of first polls.
pub type CallId = u64;

/// One entry of a history. As JSON it is an object with the event's name as its only key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The orchestration was asked for.
    ExecutionStarted {
        /// The orchestrator.
        name: String,
        /// Its recorded arguments.
        input: Payload,
        /// The shape of the orchestrator's code in the build that started it, 0 when unknown.
        #[serde(default)]
        shape: u64,
        /// The orchestration that called it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
    },
    /// An activity was called.
    TaskScheduled {
        /// The number of the call.
        id: CallId,
        /// The activity.
        name: Cow<'static, str>,
        /// Its recorded arguments.
        input: Payload,
        /// Where it was called, `file:line`.
        at: String,
    },
    /// An activity returned a success.
    TaskCompleted {
        /// The number of the call.
        id: CallId,
        /// What it returned.
        result: Payload,
    },
    /// An attempt of an activity failed.
    TaskFailed {
        /// The number of the call.
        id: CallId,
        /// Why.
        failure: Failure,
        /// When the next attempt starts; without it the failure is the result of the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// A timer was set.
    TimerCreated {
        /// The number of the call.
        id: CallId,
        /// When it is due.
        fire_at: Timestamp,
        /// Where it was set, `file:line`.
        at: String,
    },
    /// A timer was due.
    TimerFired {
        /// The number of the call.
        id: CallId,
    },
    /// Another orchestration was called.
    SubOrchestrationInstanceCreated {
        /// The number of the call.
        id: CallId,
        /// The orchestrator.
        name: Cow<'static, str>,
        /// The instance id it runs under.
        instance: String,
        /// Its recorded arguments.
        input: Payload,
        /// Where it was called, `file:line`.
        at: String,
    },
    /// A sub-orchestration returned a success.
    SubOrchestrationInstanceCompleted {
        /// The number of the call.
        id: CallId,
        /// What it returned.
        result: Payload,
    },
    /// A sub-orchestration failed.
    SubOrchestrationInstanceFailed {
        /// The number of the call.
        id: CallId,
        /// Why.
        failure: Failure,
    },
    /// An external event arrived.
    EventRaised {
        /// The event.
        name: String,
        /// Its recorded value.
        input: Payload,
    },
    /// The orchestration returned a success.
    ExecutionCompleted {
        /// What it returned.
        result: Payload,
    },
    /// The orchestration failed.
    ExecutionFailed {
        /// Why.
        failure: Failure,
    },
    /// The orchestration was suspended from outside.
    ExecutionSuspended {
        /// The reason given.
        reason: String,
    },
    /// The orchestration was taken up again after it had been parked or suspended.
    ExecutionResumed {
        /// The reason given.
        reason: String,
    },
    /// The orchestration, which had failed, goes on: what failed is tried again.
    ExecutionRewound {
        /// The reason given.
        reason: String,
    },
    /// The orchestration was terminated from outside.
    ExecutionTerminated {
        /// The reason given.
        reason: String,
    },
}

/// Who waits for a sub-orchestration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The instance id of the caller.
    pub instance: String,
    /// The number of the call there.
    pub id: CallId,
}

/// What one turn added to a history. It is written, and lost, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The time the orchestrator saw during the turn.
    pub at: Timestamp,
    /// What was delivered and what was decided, in that order.
    pub events: Vec<Event>,
}

impl Event {
    /// The outcome this event gives to a caller that waits for the orchestration, if it ends one.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Payload, Failure>> {
        match self {
            Self::ExecutionCompleted { result } => Some(Ok(result.clone())),
            Self::ExecutionFailed { failure } => Some(Err(failure.clone())),
            Self::ExecutionTerminated { reason } => {
                let message = if reason.is_empty() { "terminated".to_owned() } else { format!("terminated: {reason}") };
                Some(Err(Failure::new(crate::failure::FailureKind::Terminated, message).non_retryable()))
            }
            _ => None,
        }
    }

    /// Whether the event comes from outside the orchestrator, rather than being a decision of it.
    pub(crate) fn is_incoming(&self) -> bool {
        !matches!(
            self,
            Self::TaskScheduled { .. }
                | Self::TimerCreated { .. }
                | Self::SubOrchestrationInstanceCreated { .. }
                | Self::ExecutionCompleted { .. }
                | Self::ExecutionFailed { .. }
        )
    }

    /// The same outcome as the event its caller records.
    #[must_use]
    pub(crate) fn for_parent(id: CallId, outcome: Result<Payload, Failure>) -> Self {
        match outcome {
            Ok(result) => Self::SubOrchestrationInstanceCompleted { id, result },
            Err(failure) => Self::SubOrchestrationInstanceFailed { id, failure },
        }
    }
}
