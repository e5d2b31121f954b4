//! The type rule: what may be awaited in an orchestrator.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::FusedFuture;
use pin_project_lite::pin_project;

use crate::kernel::engine::scope;

/// A future that an orchestrator may await: everything it waits for is in the history.
///
/// Implemented by calls of activities and orchestrators, timers, events, async blocks inside an orchestrator, and the
/// combinators of `futures` over these: all those of `futures` 0.3, except `poll_fn` and `lazy` (their closures see the waker
/// and can wait for anything), `abortable` and `remote_handle` (something outside the orchestrator can end them), `boxed` (it
/// forgets that a call is durable; `Box::pin` does not) and those that read bytes or write to a sink. `#[orchestrator]` turns every `x.await` into `Durable::durable(x).await`, so that
/// nothing else compiles, under whatever name it was imported.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be awaited in an orchestrator",
    label = "not a durable future",
    note = "an orchestrator is replayed from its history, so everything it awaits must be recorded there",
    note = "await an `#[activity]`, an `#[orchestrator]`, `dacapo::sleep` or an `Event`; put other async work into an `#[activity]`",
    note = "`.boxed()` forgets that a call is durable: box calls of different functions with `Box::pin` as \
            `Pin<Box<dyn dacapo::Durable<Output = T> + Send>>`"
)]
pub trait Durable: Future {
    /// The same future, remembering where it is awaited.
    #[doc(hidden)]
    #[track_caller]
    fn durable(self) -> Awaited<Self>
    where
        Self: Sized,
    {
        Awaited { future: self, site: Location::caller() }
    }

    /// Whether its output is known to be an error.
    #[doc(hidden)]
    fn is_failure(_output: &Self::Output) -> bool
    where
        Self: Sized,
    {
        false
    }
}

/// A stream whose items come from durable futures.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be drained in an orchestrator",
    label = "not a durable stream",
    note = "an orchestrator is replayed from its history, so a stream it waits on must be made of durable futures",
    note = "use `futures::stream::iter(items).map(activity).buffered(n)`, or move the reading into an `#[activity]`"
)]
pub trait DurableStream: Stream {}

pin_project! {
    /// A durable future at the place where it is awaited.
    #[doc(hidden)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Awaited<F> {
        #[pin]
        future: F,
        site: &'static Location<'static>,
    }
}

impl<F: Future> Future for Awaited<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _outer = scope::awaiting(this.site);
        this.future.poll(cx)
    }
}

impl<F: FusedFuture> FusedFuture for Awaited<F> {
    fn is_terminated(&self) -> bool {
        self.future.is_terminated()
    }
}

#[diagnostic::do_not_recommend]
impl<F: Durable> Durable for Awaited<F> {}

pin_project! {
    /// An async block of an orchestrator, or the body of an inline one: its awaits have been checked.
    ///
    /// # Cancel safety
    /// This future is not cancel safe: dropping it drops what it waits for, and what it has computed is lost.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Block<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Block<F> {
    #[doc(hidden)]
    pub fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for Block<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

#[diagnostic::do_not_recommend]
impl<F: Future> Durable for Block<F> {}
