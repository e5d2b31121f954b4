//! The future of a recorded call.

use std::task::{Context, Poll};

use crate::kernel::engine::event::CallId;
use crate::kernel::engine::scope::with;
use crate::kernel::failure::Failure;
use crate::kernel::function::Recorded;
use crate::kernel::time::Timestamp;

/// A recorded call, held by the future that made it.
pub(crate) struct Call {
    pub(super) token: u64,
    pub(super) id: CallId,
    pub(super) done: bool,
}

impl Call {
    /// Which execution made it.
    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    /// The number of the call.
    pub(crate) fn id(&self) -> CallId {
        self.id
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, what: &str) -> Poll<Recorded> {
        self.poll_attempt(cx, what).map(|(outcome, _)| outcome)
    }

    /// The outcome, and when to try again where it is a failure that the policy tries again.
    pub(crate) fn poll_attempt(&mut self, cx: &mut Context<'_>, what: &str) -> Poll<(Recorded, Option<Timestamp>)> {
        let polled = with(|scope| {
            if scope.unloading {
                return Ok((Poll::Pending, None));
            }
            if scope.token != self.token {
                return Err(scope.orchestrator.name());
            }
            scope.leaf_polls += 1;
            let Some(open) = scope.open.get_mut(&self.id) else {
                return Ok((Poll::Pending, None));
            };
            match open.outcome.take() {
                Some(outcome) => {
                    let retry_at = open.retry_at;
                    let value = outcome.as_ref().map_or_else(Failure::payload, Some);
                    if !value.is_none_or(|value| scope.can_read(value)) {
                        return Ok((Poll::Pending, None));
                    }
                    // What is left of it holds values of the user's, to be dropped outside the scope.
                    Ok((Poll::Ready((outcome, retry_at)), scope.open.remove(&self.id)))
                }
                None => {
                    match &mut open.waker {
                        Some(waker) => waker.clone_from(cx.waker()),
                        empty => *empty = Some(cx.waker().clone()),
                    }
                    Ok((Poll::Pending, None))
                }
            }
        });
        match polled {
            Some(Ok((poll, _answered))) => {
                self.done = poll.is_ready();
                poll
            }
            Some(Err(other)) => panic!(
                "a call of `{what}` was made in one orchestration and polled in another, `{other}`; \
                 await a call where it was made"
            ),
            None => panic!(
                "a call of `{what}` was made in an orchestration and polled outside it; \
                 await a call in the orchestrator that made it"
            ),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.done {
            let _ = with(|scope| (scope.token == self.token).then(|| scope.cancel(self.id)));
        }
    }
}
