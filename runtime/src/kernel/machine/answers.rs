//! What those are told whose request cannot be met.

use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};

/// No orchestration has the id.
pub(crate) fn not_found(id: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::NotFound, format!("there is no orchestration with the id `{id}`"))
}

/// Nothing is done any more.
pub(crate) fn shutting_down() -> RuntimeError {
    RuntimeError::new(ErrorKind::ShuttingDown, "the runtime is shut down; open the store again to go on")
}

/// A request does not fit the state of an instance.
pub(crate) fn wrong_state(action: &str, id: &str, why: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, format!("cannot {action} `{id}`: {why}"))
}

/// A run stays parked.
pub(crate) fn cannot_resume(id: &str, report: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, format!("cannot resume `{id}`: {report}"))
}

/// An event has another type than the instance waits for.
pub(crate) fn wrong_type(id: &str, why: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, format!("cannot raise the event: `{id}` waits for another type: {why}"))
}

/// What ends a sub-orchestration for which its caller no longer waits.
pub(crate) fn no_longer_awaited(caller: &str) -> Event {
    Event::ExecutionTerminated { reason: format!("`{caller}` no longer waits for it") }
}

/// What the caller of a sub-orchestration is told when its id belongs to another instance.
pub(crate) fn id_taken(id: CallId, instance: &str) -> Event {
    let message =
        format!("an orchestration with the id `{instance}` exists already; give the sub-orchestration another `.id(..)`");
    let failure = Failure::new(FailureKind::Runtime, message).non_retryable();
    Event::SubOrchestrationInstanceFailed { id, failure, retry_at: None }
}
