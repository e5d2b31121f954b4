//! The call of an orchestrator: a request to start one, or a sub-orchestration.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::engine::scope::{self, Call};
use crate::failure::Failure;
use crate::function::{Function, Returned};
use crate::orchestration::durable::Durable;
use crate::payload::Payload;

/// A call of an `#[orchestrator]`, not started yet.
///
/// Passed to a client it is a request to start an instance; awaited in another orchestrator it is a sub-orchestration,
/// recorded there and run as an instance of its own.
#[must_use = "an orchestration does nothing until it is passed to a client or awaited in an orchestrator"]
pub struct Orchestration<F: Function> {
    state: State<F>,
    id: Option<String>,
    site: &'static Location<'static>,
}

enum State<F: Function> {
    New(Option<F::Input>),
    Called(Call),
}

/// Nothing in a call is pinned in place.
impl<F: Function> Unpin for Orchestration<F> {}

impl<F: Function> Orchestration<F> {
    #[doc(hidden)]
    #[track_caller]
    pub fn new(input: F::Input) -> Self {
        Self { state: State::New(Some(input)), id: None, site: Location::caller() }
    }

    /// The instance id of the sub-orchestration. Without one it is the parent's id, a colon, and the number of the call.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The hot form: the sub-orchestration is scheduled here and awaited later.
    ///
    /// # Panics
    /// Outside an orchestrator; pass the call to [`Client::start`](crate::Client::start) there.
    pub fn start(mut self) -> Self {
        self.call();
        self
    }

    /// The same call with the engine's failures visible: `Result<T, Failure>`, whatever the function returns.
    pub fn checked(self) -> Checked<F> {
        Checked(self)
    }

    /// The recorded form of the arguments, and the id asked for.
    pub(crate) fn into_request(mut self) -> (Result<Payload, Failure>, Option<String>) {
        let input = match &mut self.state {
            State::New(input) => input.take().map(|input| F::encode(&input)),
            State::Called(_) => None,
        };
        let input = input.expect("a call that was started in an orchestrator cannot leave it");
        (input, self.id.take())
    }

    fn call(&mut self) -> &mut Call {
        if let State::New(input) = &mut self.state {
            let input = input.take().expect("a call that is new has its input");
            let called = scope::with(|scope| scope.call_child(F::NAME, F::encode(&input), self.id.take(), self.site));
            let Some(call) = called else {
                panic!(
                    "the orchestration `{name}` was awaited outside a runtime, where nothing would be recorded; \
                     start it with `runtime.start({name}(..)).await`, or await it in another `#[orchestrator]`",
                    name = F::NAME
                )
            };
            self.state = State::Called(call);
        }
        match &mut self.state {
            State::Called(call) => call,
            State::New(_) => unreachable!("it was called above"),
        }
    }
}

impl<F: Function> Future for Orchestration<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let recorded = std::task::ready!(self.call().poll(cx, F::NAME));
        scope::settle(F::NAME, F::Kind::restore(recorded))
    }
}

#[diagnostic::do_not_recommend]
impl<F: Function> Durable for Orchestration<F> {
    fn is_failure(output: &F::Output) -> bool {
        F::Kind::is_failure(output)
    }
}

/// A sub-orchestration whose failure is a value, from [`Orchestration::checked`].
#[must_use = "an orchestration does nothing until it is awaited in an orchestrator"]
pub struct Checked<F: Function>(Orchestration<F>);

impl<F: Function> Future for Checked<F> {
    type Output = Result<<F::Kind as Returned<F::Output>>::Ok, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.call().poll(cx, F::NAME).map(F::Kind::checked)
    }
}

#[diagnostic::do_not_recommend]
impl<F: Function> Durable for Checked<F> {
    fn is_failure(output: &Self::Output) -> bool {
        output.is_err()
    }
}
