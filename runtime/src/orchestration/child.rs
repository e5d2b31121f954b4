//! The call of an orchestrator: a request to start one, or a sub-orchestration.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use crate::kernel::engine::scope::{self, Call};
use crate::kernel::engine::work::Attempts;
use crate::kernel::failure::Failure;
use crate::kernel::function::{Function, Options, Recorded, Returned};
use crate::kernel::instance_id;
use crate::kernel::payload::Payload;
use crate::kernel::retry::Retry;
use crate::kernel::time::Timestamp;
use crate::orchestration::checked::{self, Checked};
use crate::orchestration::durable::Durable;

/// A call of an `#[orchestrator]`, not started yet.
///
/// Passed to a client it is a request to start an instance; awaited in another orchestrator it is a sub-orchestration,
/// recorded there and run as an instance of its own.
///
/// # Cancel safety
/// This future is not cancel safe: dropping it in an orchestrator ends the sub-orchestration, and its result is lost. To go on waiting
/// for the same call in a later `select!`, poll it by reference, or bind what [`start`](Self::start) returns; to let it run without
/// waiting, [`detach`](Self::detach) it.
#[must_use = "an orchestration does nothing until it is passed to a client or awaited in an orchestrator"]
pub struct Orchestration<F: Function> {
    state: State<F>,
    id: Option<String>,
    options: Options,
    site: &'static Location<'static>,
}

enum State<F: Function> {
    New(Option<F::Input>),
    Called(Called),
}

/// A call that was made: the sub-orchestration of one attempt, or the wait for the next.
struct Called {
    current: Call,
    waits: bool,
    /// The number of the attempt.
    number: u32,
    since: Timestamp,
    /// The instance id of the first attempt.
    id: String,
    /// What the next attempt is called with, where the policy knows one.
    input: Option<Payload>,
}

/// Nothing in a call is pinned in place.
impl<F: Function> Unpin for Orchestration<F> {}

impl<F: Function> Orchestration<F> {
    #[doc(hidden)]
    #[track_caller]
    pub fn new(input: F::Input) -> Self {
        Self { state: State::New(Some(input)), id: None, options: F::options(), site: Location::caller() }
    }

    /// The instance id of the sub-orchestration. Without one it is the parent's id, a colon, and the number of the call.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Calls it again when it has failed, as `retry` says.
    ///
    /// Each attempt is an instance of its own: the second has the id of the first with `:retry-2` behind it, and so on.
    ///
    /// ```standalone_crate
    /// # use std::time::Duration;
    /// use dacapo::{Error, Retry};
    ///
    /// #[dacapo::orchestrator]
    /// async fn ship(order: String) -> dacapo::Result<String> {
    ///     let id = dacapo::instance_id();
    ///     if id.ends_with(":retry-2") { Ok(id) } else { Err(Error::msg(format!("{order}: no carrier"))) }
    /// }
    ///
    /// #[dacapo::orchestrator]
    /// async fn fulfil(order: String) -> dacapo::Result<String> {
    ///     let id = format!("ship-{order}");
    ///     ship(order).id(id).retry(Retry::fixed(Duration::from_millis(1)).max_attempts(3)).await
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// assert_eq!(runtime.start(fulfil("42".into())).await?.result().await?, "ship-42:retry-2");
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options = self.options.retry(retry);
        self
    }

    /// Calls it again only for errors that `predicate` accepts. It is asked of the errors the orchestrator itself returns.
    pub fn retry_if<T, E>(mut self, predicate: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        F: Function<Output = Result<T, E>>,
        E: DeserializeOwned,
    {
        self.options = self.options.retry_if::<F, T, E>(predicate);
        self
    }

    /// Starts it and waits for nothing: an instance of its own, without a parent, created in the transaction of this turn. Gives its
    /// instance id.
    ///
    /// What becomes of it is not told here; a cancellation or the end of this orchestration leaves it alone. When the id
    /// belongs to an instance already, that one is left as it is and nothing is started.
    ///
    /// # Panics
    /// Outside an orchestrator; start it with [`Client::start`](crate::Client::start) there.
    ///
    /// ```standalone_crate
    /// #[dacapo::orchestrator]
    /// async fn send_survey(order: String) -> String { format!("how was {order}?") }
    ///
    /// #[dacapo::orchestrator]
    /// async fn close(order: String) -> String {
    ///     send_survey(order).detach()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let survey = runtime.start(close("order 42".into())).await?.result().await?;
    /// assert_eq!(runtime.attach(send_survey, survey).result().await?, "how was order 42?");
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(mut self) -> String {
        match &mut self.state {
            State::New(input) => {
                let input = input.take().expect("a call that is new has its input");
                self.make(&input, None).1
            }
            State::Called(_) => {
                panic!("`{}(..).start().detach()`: a call that was started is waited for; leave out `.start()`", F::NAME)
            }
        }
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
    pub fn checked(self) -> Checked<Self> {
        Checked(self)
    }

    /// Whether an id was asked for.
    #[cfg(feature = "testing")]
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
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

    fn call(&mut self) -> &mut Called {
        if let State::New(input) = &mut self.state {
            let input = input.take().expect("a call that is new has its input");
            let since = scope::with(|scope| scope.now).unwrap_or(Timestamp(0));
            let (current, id) = self.make(&input, Some(Attempts { options: self.options.clone(), number: 1, since }));
            let input = self.options.retry.delay_after(1).and_then(|_| F::encode(&input).ok());
            self.state = State::Called(Called { current, waits: false, number: 1, since, id, input });
        }
        match &mut self.state {
            State::Called(called) => called,
            State::New(_) => unreachable!("it was called above"),
        }
    }

    /// Makes the call of the first attempt; gives the id of its instance, too.
    fn make(&mut self, input: &F::Input, attempts: Option<Attempts>) -> (Call, String) {
        let id = self.id.take();
        let input = id.as_deref().map_or(Ok(()), instance_id::check).and_then(|()| F::encode(input));
        let called = scope::with(|scope| {
            let call = scope.call_child(F::NAME, input, id.clone(), attempts, self.site);
            let id = id.unwrap_or_else(|| scope.child_id(call.id()));
            (call, id)
        });
        called.unwrap_or_else(|| {
            panic!(
                "the orchestration `{name}` was awaited outside a runtime, where nothing would be recorded; \
                 start it with `runtime.start({name}(..)).await`, or await it in another `#[orchestrator]`",
                name = F::NAME
            )
        })
    }

    fn poll_recorded(&mut self, cx: &mut Context<'_>) -> Poll<Recorded> {
        let (options, site) = (self.options.clone(), self.site);
        let called = self.call();
        loop {
            if called.waits {
                let _ = std::task::ready!(called.current.poll(cx, F::NAME));
                called.number += 1;
                let attempts = Attempts { options: options.clone(), number: called.number, since: called.since };
                let (input, id) =
                    (called.input.clone().unwrap_or_else(Payload::null), format!("{}:retry-{}", called.id, called.number));
                let next = scope::with(|scope| scope.call_child(F::NAME, Ok(input), Some(id), Some(attempts), site));
                called.current = next.expect("it was polled in its orchestration");
                called.waits = false;
            }
            match std::task::ready!(called.current.poll_attempt(cx, F::NAME)) {
                (Err(_), Some(at)) => {
                    let timer = scope::with(|scope| scope.call_timer(at, site));
                    called.current = timer.expect("it was polled in its orchestration");
                    called.waits = true;
                }
                (outcome, _) => return Poll::Ready(outcome),
            }
        }
    }
}

impl<F: Function> Future for Orchestration<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let recorded = std::task::ready!(self.poll_recorded(cx));
        scope::settle(F::NAME, F::Kind::restore(recorded))
    }
}

#[diagnostic::do_not_recommend]
impl<F: Function> Durable for Orchestration<F> {
    fn is_failure(output: &F::Output) -> bool {
        F::Kind::is_failure(output)
    }
}

impl<F: Function> checked::Call for Orchestration<F> {
    type Ok = <F::Kind as Returned<F::Output>>::Ok;

    fn poll_checked(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Ok, Failure>> {
        self.poll_recorded(cx).map(F::Kind::checked)
    }
}
