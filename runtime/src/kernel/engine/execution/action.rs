//! What a turn asks the worker to do.

use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::engine::work::{EntityWork, Work};
use crate::kernel::function::Limits;
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;

/// What one turn asks the worker to do, once the turn is durable.
#[derive(Debug)]
pub(crate) enum Action {
    /// Run an attempt of an activity.
    StartActivity { id: CallId, name: &'static str, input: Payload, attempt: u32, not_before: Option<Timestamp>, limits: Limits },
    /// Deliver `TimerFired` when it is due.
    StartTimer { id: CallId, fire_at: Timestamp },
    /// Create a sub-orchestration (in the same transaction as the turn), and deliver its end.
    StartChild { id: CallId, name: &'static str, instance: String, input: Payload, detached: bool },
    /// Tell an entity, in the same transaction as the turn.
    TellEntity { id: CallId, work: EntityWork, message: Event },
    /// Nobody waits for this call any more.
    Cancel { id: CallId },
}

impl Action {
    /// The call this action is for, answered or not.
    pub(super) fn call(&self) -> Option<CallId> {
        match self {
            Self::TellEntity { id, .. } => Some(*id),
            other => other.starts(),
        }
    }

    /// The call this action starts.
    pub(crate) fn starts(&self) -> Option<CallId> {
        match self {
            Self::StartActivity { id, .. } | Self::StartTimer { id, .. } | Self::StartChild { id, .. } => Some(*id),
            Self::TellEntity { id, work, .. } => work.is_answered().then_some(*id),
            Self::Cancel { .. } => None,
        }
    }

    /// The call that nobody waits for any more.
    pub(crate) fn cancels(&self) -> Option<CallId> {
        match self {
            Self::Cancel { id } => Some(*id),
            _ => None,
        }
    }

    /// What brings the outcome of a call about; nothing for one that has happened.
    pub(super) fn of(id: CallId, work: Work) -> Option<Self> {
        Some(match work {
            Work::Activity { name, input, attempts, not_before } => {
                let (attempt, limits) = (attempts.number, attempts.options.limits);
                Self::StartActivity { id, name, input, attempt, not_before, limits }
            }
            Work::Timer { fire_at } => Self::StartTimer { id, fire_at },
            Work::Child { name, input, instance, attempts } => {
                Self::StartChild { id, name, instance, input, detached: attempts.is_none() }
            }
            // What was asked of an entity reaches it, and what it answers comes by itself.
            Work::SideEffect { .. } | Work::Entity(_) => return None,
        })
    }
}
