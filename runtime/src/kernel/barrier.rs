//! The barrier between user code and the worker: whatever user code panics with stays on its side.
//!
//! Invariant: the worker and the engine run, poll and drop user code through here. The one panic that cannot be caught is a second one
//! while the first unwinds: there Rust aborts the process.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::kernel::failure::Failure;

/// Runs user code; a panic is a failure.
pub(crate) fn run<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(caught)
}

/// Drops a value of the user's.
pub(crate) fn dispose<T>(owner: &str, value: T) {
    if run(move || drop(value)).is_err() {
        tell(owner);
    }
}

/// The message may quote a value; the panic hook has shown it.
fn tell(owner: &str) {
    tracing::error!(owner, "user code panicked while its values were dropped");
}

/// The failure of a panic. What it panicked with is the user's, too, and may panic when it is dropped.
fn caught(panic: Box<dyn Any + Send>) -> Failure {
    let failure = Failure::panic(&*panic);
    if let Err(again) = catch_unwind(AssertUnwindSafe(move || drop(panic))) {
        std::mem::forget(again);
    }
    failure
}

pin_project! {
    /// A future of the user's. It is dropped as soon as it is ready, and no panic passes, whether it is polled or dropped.
    pub(crate) struct Guarded<F> {
        owner: &'static str,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Guarded<F> {
        fn drop(this: Pin<&mut Self>) {
            this.release();
        }
    }
}

impl<F> Guarded<F> {
    /// `owner` is named where a panic in a drop can only be logged.
    pub(crate) fn new(owner: &'static str, future: F) -> Self {
        Self { owner, future: Some(future) }
    }

    fn release(self: Pin<&mut Self>) {
        let mut this = self.project();
        if run(|| this.future.set(None)).is_err() {
            tell(this.owner);
        }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.as_mut().project().future.as_pin_mut() else { return Poll::Pending };
        let ready = match run(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(failure) => Err(failure),
        };
        self.release();
        Poll::Ready(ready)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::{Guarded, dispose, run};

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("dropped");
            }
        }
    }

    #[test]
    fn what_panics_when_it_is_dropped_harms_nobody() {
        dispose("a test", Bomb);
        let failure = run(|| std::panic::panic_any(Bomb)).expect_err("it panics");
        assert_eq!(failure.message(), "a panic without a message");
        let mut pending = Box::pin(Guarded::new("a test", async { (Bomb, std::future::pending::<()>().await) }));
        assert!(pending.as_mut().now_or_never().is_none());
        drop(pending);
        let captured = Bomb;
        drop(Guarded::new("a test", async move { drop(captured) }));
        let failure = Guarded::new("a test", async { drop(Bomb) }).now_or_never().expect("it is ready");
        assert_eq!(failure.expect_err("it panics").message(), "dropped");
    }
}
