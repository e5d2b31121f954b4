//! Events and turns.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::kernel::engine::event::terms::{CallId, Caller, Continued, EntityLock, NotTaken, Parent};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;
use crate::kernel::trace::TraceContext;

/// One entry of a history. As JSON it is an object with the event's name as its only key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The orchestration was asked for.
    ExecutionStarted {
        /// The orchestrator.
        name: String,
        /// The version of the orchestrator, with which the orchestration goes on.
        #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
        version: u32,
        /// Its recorded arguments.
        input: Payload,
        /// The shape of the orchestrator's code in the build that started it, 0 when unknown.
        #[serde(default)]
        shape: u64,
        /// The orchestration that called it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
        /// What the execution before this one left, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continued: Option<Continued>,
        /// The call it is part of, if whoever started it said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Box<TraceContext>>,
    },
    /// The execution before the one that starts here ended by continuing as new; its events were deleted.
    ContinueAsNew {
        /// The number of the execution that ended.
        execution: u32,
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
        /// Whether nobody waits for it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        detached: bool,
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
        /// When the next attempt is called; without it the failure is the result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// The orchestrator asked whether it is patched, and was told so.
    Patched {
        /// The name of the patch.
        name: String,
    },
    /// A closure given to `side_effect` ran, once.
    SideEffect {
        /// The number of the call.
        id: CallId,
        /// What it returned.
        result: Payload,
        /// Where it was written, `file:line`.
        at: String,
    },
    /// An external event arrived.
    EventRaised {
        /// The event.
        name: String,
        /// Its recorded value.
        input: Payload,
    },
    /// External events that no wait has taken, told right before the end of the orchestration.
    EventsNotTaken {
        /// How many there are of each name.
        events: Vec<NotTaken>,
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
        /// The external events that no wait takes from here on, because it could not read them: 1 is the first that was raised to this
        /// execution.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        without_events: Vec<u64>,
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
    /// An operation of an entity was called.
    EntityOperationCalled {
        /// The number of the call.
        id: CallId,
        /// The instance id of the entity.
        entity: String,
        /// The operation.
        operation: Cow<'static, str>,
        /// Its recorded arguments.
        input: Payload,
        /// Where it was called, `file:line`.
        at: String,
        /// Who called it, in what the entity is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<Caller>,
    },
    /// An operation of an entity was asked for, and nobody waits for it.
    EntityOperationSignaled {
        /// The number of the call.
        id: CallId,
        /// The instance id of the entity.
        entity: String,
        /// The operation.
        operation: Cow<'static, str>,
        /// Its recorded arguments.
        input: Payload,
        /// Where it was signalled, `file:line`.
        at: String,
        /// Who asked for it, in what the entity is told by an orchestration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<Caller>,
    },
    /// An operation of an entity returned a success.
    EntityOperationCompleted {
        /// The number of the call.
        id: CallId,
        /// What it returned.
        result: Payload,
        /// The run that called it.
        run: Timestamp,
    },
    /// An operation of an entity failed, and left its state as it was.
    EntityOperationFailed {
        /// The number of the call.
        id: CallId,
        /// Why.
        failure: Failure,
        /// The run that called it.
        run: Timestamp,
    },
    /// A lock of entities was asked for.
    EntityLockRequested {
        /// The number of the call.
        id: CallId,
        /// The instance ids of the entities, in the one order in which they are locked.
        entities: Vec<String>,
        /// Where it was asked for, `file:line`.
        at: String,
        /// Who asked for it, in what an entity is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<Caller>,
    },
    /// All entities of a lock are locked.
    EntityLockGranted {
        /// The number of the call.
        id: CallId,
        /// The run that asked for it.
        run: Timestamp,
    },
    /// A lock of entities was given up.
    EntityUnlockSent {
        /// The number of the call.
        id: CallId,
        /// The number of the call that asked for the lock.
        lock: CallId,
        /// The instance ids of the entities.
        entities: Vec<String>,
        /// Where the lock was asked for, `file:line`.
        at: String,
        /// Who had it, in what an entity is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<Caller>,
    },
    /// All there is to know of an entity: the only event of its history.
    EntityState {
        /// Its recorded state, if an operation has given it one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Payload>,
        /// Whose critical section it is in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<EntityLock>,
    },
}

fn first_version() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_first_version(version: &u32) -> bool {
    *version == 1
}

/// What one turn added to a history. It is written, and lost, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The time the orchestrator saw during the turn.
    pub at: Timestamp,
    /// What was delivered and what was decided, in that order.
    pub events: Vec<Event>,
}

impl Turn {
    /// The orchestrator that a first turn has started, and its version.
    pub(crate) fn started(&self) -> Option<(&str, u32)> {
        self.events.iter().find_map(|event| match event {
            Event::ExecutionStarted { name, version, .. } => Some((name.as_str(), *version)),
            _ => None,
        })
    }
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
                Some(Err(Failure::new(FailureKind::Terminated, message).non_retryable()))
            }
            _ => None,
        }
    }

    /// The number of the call that it records, if it is one.
    pub(crate) fn made_call(&self) -> Option<CallId> {
        match self {
            Self::TaskScheduled { id, .. }
            | Self::TimerCreated { id, .. }
            | Self::SubOrchestrationInstanceCreated { id, .. }
            | Self::SideEffect { id, .. }
            | Self::EntityOperationCalled { id, .. }
            | Self::EntityOperationSignaled { id, .. }
            | Self::EntityLockRequested { id, .. }
            | Self::EntityUnlockSent { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The arguments of the call that it records, if it is one with arguments.
    pub(crate) fn call_input(&self) -> Option<&Payload> {
        match self {
            Self::TaskScheduled { input, .. }
            | Self::SubOrchestrationInstanceCreated { input, .. }
            | Self::EntityOperationCalled { input, .. }
            | Self::EntityOperationSignaled { input, .. } => Some(input),
            _ => None,
        }
    }

    /// Whether it asks to suspend, resume or terminate an orchestration: what concerns one that is set aside, too.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self, Self::ExecutionSuspended { .. } | Self::ExecutionResumed { .. } | Self::ExecutionTerminated { .. })
    }

    /// Whether the event comes from outside the orchestrator, rather than being a decision of it.
    pub(crate) fn is_incoming(&self) -> bool {
        let is_other_decision = matches!(
            self,
            Self::Patched { .. }
                | Self::EventsNotTaken { .. }
                | Self::ContinueAsNew { .. }
                | Self::ExecutionCompleted { .. }
                | Self::ExecutionFailed { .. }
        );
        self.made_call().is_none() && !is_other_decision
    }

    /// The same outcome as the event its caller records.
    #[must_use]
    pub(crate) fn for_parent(id: CallId, outcome: Result<Payload, Failure>) -> Self {
        match outcome {
            Ok(result) => Self::SubOrchestrationInstanceCompleted { id, result },
            Err(failure) => Self::SubOrchestrationInstanceFailed { id, failure, retry_at: None },
        }
    }
}
