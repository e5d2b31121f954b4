//! The call of an activity.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;

use crate::kernel::engine::scope::{self, Call};
use crate::kernel::failure::Failure;
use crate::kernel::function::{Function, Options, Recorded, Returned};
use crate::kernel::retry::Retry;
use crate::orchestration::checked::{self, Checked};
use crate::orchestration::durable::Durable;

/// A call of an `#[activity]`, not started yet.
///
/// In an orchestrator it starts at its first poll and is recorded; the recorded result is what a replay gets. Awaited
/// anywhere else the body just runs, once: no retry, no timeout, nothing recorded.
///
/// # Cancel safety
/// This future is not cancel safe: dropping it in an orchestrator cancels the activity, and its result is lost. To go on waiting for
/// the same call in a later `select!`, poll it by reference, or bind what [`start`](Self::start) returns.
#[must_use = "an activity does nothing until it is awaited, or started by `.start()`"]
pub struct Activity<F: Function> {
    state: State<F>,
    options: Options,
    site: &'static Location<'static>,
}

enum State<F: Function> {
    New(Option<F::Input>),
    Called(Call),
    Direct(BoxFuture<'static, F::Output>),
}

/// Nothing in a call is pinned in place: the direct form is boxed.
impl<F: Function> Unpin for Activity<F> {}

impl<F: Function> Activity<F> {
    #[doc(hidden)]
    #[track_caller]
    pub fn new(input: F::Input) -> Self {
        Self { state: State::New(Some(input)), options: F::options(), site: Location::caller() }
    }

    /// Uses `retry` for this call in place of the function's own policy.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Tries this call again only for errors that `predicate` accepts, in place of the function's own `retry_if`.
    ///
    /// It is asked of the errors the function itself returns; a panic or a timeout is tried again as the policy says.
    pub fn retry_if<T, E>(mut self, predicate: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        F: Function<Output = Result<T, E>>,
        E: DeserializeOwned,
    {
        self.options = self.options.retry_if::<F, T, E>(predicate);
        self
    }

    /// Lets each attempt of this call take `timeout` at most.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }

    /// Gives up an attempt of this call that has sent no [`heartbeat`](crate::activity::heartbeat) for `timeout`.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.heartbeat_timeout(timeout);
        self
    }

    /// The hot form: the activity is scheduled here and awaited later.
    ///
    /// # Panics
    /// Outside an orchestrator, where there is nothing to schedule it.
    pub fn start(mut self) -> Self {
        let State::New(input) = &mut self.state else { return self };
        if let Some(input) = input.take() {
            let call = scope::with(|scope| scope.call_activity(F::NAME, F::encode(&input), self.options.clone(), self.site));
            let Some(call) = call else {
                panic!("`{}(..).start()` was called outside an orchestrator; await it, or use your executor's spawn", F::NAME)
            };
            self.state = State::Called(call);
        }
        self
    }

    /// The same call with the engine's failures visible: `Result<T, Failure>`, whatever the function returns.
    pub fn checked(self) -> Checked<Self> {
        Checked(self)
    }

    fn poll_recorded(&mut self, cx: &mut Context<'_>) -> Poll<Settled<F::Output>> {
        loop {
            match &mut self.state {
                State::New(input) => {
                    let input = input.take().expect("an activity that is new has its input");
                    let called =
                        scope::with(|scope| scope.call_activity(F::NAME, F::encode(&input), self.options.clone(), self.site));
                    self.state = match called {
                        Some(call) => State::Called(call),
                        None => State::Direct(F::call(input).boxed()),
                    };
                }
                State::Called(call) => return call.poll(cx, F::NAME).map(Settled::Recorded),
                State::Direct(body) => return body.poll_unpin(cx).map(Settled::Direct),
            }
        }
    }
}

enum Settled<O> {
    Recorded(Recorded),
    Direct(O),
}

impl<F: Function> Future for Activity<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match std::task::ready!(self.poll_recorded(cx)) {
            Settled::Recorded(recorded) => scope::settle(F::NAME, F::Kind::restore(recorded)),
            Settled::Direct(output) => Poll::Ready(output),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<F: Function> Durable for Activity<F> {
    fn is_failure(output: &F::Output) -> bool {
        F::Kind::is_failure(output)
    }
}

impl<F: Function> checked::Call for Activity<F> {
    type Ok = <F::Kind as Returned<F::Output>>::Ok;

    fn poll_checked(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Ok, Failure>> {
        let recorded = match std::task::ready!(self.poll_recorded(cx)) {
            Settled::Recorded(recorded) => recorded,
            Settled::Direct(output) => F::Kind::record(output),
        };
        Poll::Ready(F::Kind::checked(recorded))
    }
}
