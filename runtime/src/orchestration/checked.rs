//! Calls whose failures are values.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::kernel::failure::Failure;
use crate::orchestration::durable::Durable;

/// A call that can show a failure of the engine, whatever its function returns.
pub trait Call: Future + Unpin {
    /// The value of a success.
    type Ok;

    /// Waits for the recorded outcome.
    fn poll_checked(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Ok, Failure>>;
}

/// A call whose failure is a value, from [`Activity::checked`](crate::Activity::checked),
/// [`Orchestration::checked`](crate::Orchestration::checked) or [`EntityCall::checked`](crate::EntityCall::checked).
///
/// # Cancel safety
/// This future is not cancel safe: dropping it in an orchestrator gives up the call as dropping the call itself does, and the result is
/// lost.
#[must_use = "a call does nothing until it is awaited"]
pub struct Checked<C>(pub(super) C);

impl<C: Call> Future for Checked<C> {
    type Output = Result<C::Ok, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_checked(cx)
    }
}

#[diagnostic::do_not_recommend]
impl<C: Call> Durable for Checked<C> {
    fn is_failure(output: &Self::Output) -> bool {
        output.is_err()
    }
}
