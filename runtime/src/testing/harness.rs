//! A runtime for one test.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::ready;

use crate::client::Client;
use crate::kernel::function::{Function, Returned};
use crate::orchestration::activity::Activity;
use crate::orchestration::callable::Callable;
use crate::orchestration::child::Orchestration;
use crate::runtime::Builder;
use crate::store::Timestamp;
use crate::testing::arguments::Arguments;
use crate::testing::driver::{Driver, Stuck};
use crate::testing::run::Run;
use crate::testing::stage::Mock;
use crate::time::Time as _;

/// A runtime for one test: its store is in memory, its clock moves by itself or by [`advance`](Self::advance), its activities
/// are mocks.
///
/// It is driven by its methods, which block until there is no more to do; between two calls nothing happens. They can be called
/// in a `#[test]` and in a `#[tokio::test]`. See the [module](crate::testing) for how tests are written.
pub struct Harness {
    pub(super) driver: Driver,
    started: std::sync::atomic::AtomicUsize,
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// A harness in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self::driven_by(Driver::new(super::schedule::Schedule::of(Vec::new()), std::collections::BTreeSet::new()))
    }

    pub(super) fn driven_by(driver: Driver) -> Self {
        Self { driver, started: std::sync::atomic::AtomicUsize::new(0) }
    }

    /// Answers calls of an activity with `answer`, in place of its body.
    ///
    /// The closure takes what the activity takes (several arguments as a tuple) and gives what the activity returns. One that
    /// panics makes the attempt fail, as an activity that panics does; one that returns an error is retried by the activity's
    /// policy. [`attempt`](crate::activity::attempt) and [`idempotency_key`](crate::activity::idempotency_key) can be asked in it. It
    /// takes no virtual time. Mocking again replaces.
    ///
    /// ```standalone_crate
    /// use dacapo::testing::Harness;
    ///
    /// #[dacapo::activity]
    /// async fn price(item: String, count: u32) -> Result<u32, String> { Err("no network in a test".into()) }
    ///
    /// #[dacapo::orchestrator]
    /// async fn quote(item: String) -> Result<u32, String> { price(item, 3).await }
    ///
    /// let harness = Harness::new();
    /// harness.mock(price, |(item, count)| if item == "pen" { Ok(count * 2) } else { Err(format!("no {item}")) });
    /// assert_eq!(harness.run(quote("pen".into())), Ok(6));
    /// assert_eq!(harness.run(quote("ink".into())), Err("no ink".to_owned()));
    /// ```
    ///
    /// Another function's answer does not fit:
    ///
    /// ```compile_fail
    /// # #[dacapo::activity]
    /// # async fn price(item: String) -> u32 { 0 }
    /// let harness = dacapo::testing::Harness::new();
    /// harness.mock(price, |item| "two".to_owned());
    /// ```
    pub fn mock<A, F>(
        &self,
        _activity: impl Callable<A, Call = Activity<F>>,
        mut answer: impl FnMut(<F::Input as Arguments>::Value) -> F::Output + Send + 'static,
    ) where
        F: Function,
        F::Input: Arguments,
    {
        let mock = Mock::answer(move |input| {
            Ok(match F::decode(&input) {
                Ok(input) => F::Kind::record(answer(input.into_value())),
                Err(failure) => Err(failure),
            })
        });
        self.driver.stage.mock(F::NAME, mock);
    }

    /// Answers the first attempt with the first answer, and so on. An attempt that a crash interrupts gets the same answer again.
    ///
    /// One call more than there are answers ends the test.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use dacapo::{Retry, testing::Harness};
    ///
    /// #[dacapo::activity(retry = Retry::fixed(Duration::from_secs(3600)))]
    /// async fn fetch() -> Result<u32, String> { Ok(0) }
    ///
    /// #[dacapo::orchestrator]
    /// async fn report() -> Result<u32, String> { fetch().await }
    ///
    /// let harness = Harness::new();
    /// harness.mock_sequence(fetch, [Err("busy".into()), Err("busy".into()), Ok(7)]);
    /// assert_eq!(harness.run(report()), Ok(7));
    /// assert_eq!(harness.elapsed(), Duration::from_secs(2 * 3600), "it waited between its attempts");
    /// ```
    pub fn mock_sequence<A, F: Function>(
        &self,
        _activity: impl Callable<A, Call = Activity<F>>,
        answers: impl IntoIterator<Item = F::Output>,
    ) {
        let answers: Vec<_> = answers.into_iter().map(F::Kind::record).collect();
        let mut given = HashMap::new();
        let mock = Mock::answer(move |input| {
            let place = given.len();
            let attempt = (crate::activity::idempotency_key(), crate::activity::attempt());
            let place = *given.entry(attempt).or_insert(place);
            answers.get(place).cloned().ok_or_else(|| {
                format!(
                    "`mock_sequence({name}, ..)` was given {} answers, and this is attempt {}: `{name}` with {}; give one more answer, or \
                     answer by the input with `harness.mock({name}, |input| ..)`",
                    answers.len(),
                    place + 1,
                    crate::kernel::payload::Excerpt(input.as_str()),
                    name = F::NAME,
                )
            })
        });
        self.driver.stage.mock(F::NAME, mock);
    }

    /// Answers calls of an activity with a future, which may wait for what the test or the runtime does, such as
    /// [`cancelled`](crate::activity::cancelled), and for nothing outside.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use dacapo::testing::Harness;
    ///
    /// #[dacapo::activity]
    /// async fn copy() -> u32 { 0 }
    ///
    /// #[dacapo::orchestrator]
    /// async fn backup() -> Option<u32> { dacapo::timeout(Duration::from_secs(60), copy()).await.ok() }
    ///
    /// let (cleaned, cleans) = std::sync::mpsc::channel();
    /// let harness = Harness::new();
    /// harness.mock_async(copy, move |()| {
    ///     let cleaned = cleaned.clone();
    ///     async move {
    ///         dacapo::activity::cancelled().await;
    ///         cleaned.send(()).unwrap();
    ///         0
    ///     }
    /// });
    /// assert_eq!(harness.run(backup()), Ok(None));
    /// assert!(cleans.try_recv().is_ok(), "it was told, and cleaned up");
    /// ```
    pub fn mock_async<A, F, G>(
        &self,
        _activity: impl Callable<A, Call = Activity<F>>,
        answer: impl Fn(<F::Input as Arguments>::Value) -> G + Send + Sync + 'static,
    ) where
        F: Function,
        F::Input: Arguments,
        G: Future<Output = F::Output> + Send + 'static,
    {
        let mock = Mock::Async(Arc::new(move |input| match F::decode(&input) {
            Ok(input) => answer(input.into_value()).map(F::Kind::record).boxed(),
            Err(failure) => ready(Err(failure)).boxed(),
        }));
        self.driver.stage.mock(F::NAME, mock);
    }

    /// Lets no attempt of an activity come to an end, but by its timeout or by being cancelled.
    pub fn mock_never<A, F: Function>(&self, _activity: impl Callable<A, Call = Activity<F>>) {
        self.driver.stage.mock(F::NAME, Mock::Never);
    }

    /// Lets an activity run its own body. What it waits for outside the runtime takes real time.
    pub fn real<A, F: Function>(&self, _activity: impl Callable<A, Call = Activity<F>>) {
        self.driver.stage.mock(F::NAME, Mock::Real);
    }

    /// Gives activities that run for real, and mocks, a value, as [`Builder::state`](crate::Builder::state) does.
    ///
    /// # Panics
    /// After the first start.
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(&self, value: T) {
        assert!(!self.driver.is_open(), "`harness.state(..)` comes before the first orchestration is started");
        self.driver.states().insert(value);
    }

    /// Changes the settings of the runtime, such as [retention](crate::Builder::retention) or [grace
    /// periods](crate::Builder::cancel_grace), which pass in virtual time. A runtime that is opened again after a crash has them too.
    ///
    /// # Panics
    /// After the first start.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use dacapo::{Retention, testing::Harness};
    ///
    /// #[dacapo::orchestrator]
    /// async fn double(n: u32) -> u32 { 2 * n }
    ///
    /// let harness = Harness::new();
    /// harness.settings(|builder| builder.retention(Retention::all(Duration::from_secs(3600))));
    /// assert_eq!(harness.run(double(2)), Ok(4));
    /// harness.advance(Duration::from_secs(3600));
    /// assert!(harness.client(|client| async move { client.status("run-1").await }).is_err(), "it was purged");
    /// ```
    #[track_caller]
    pub fn settings(&self, change: impl Fn(Builder) -> Builder + Send + Sync + 'static) {
        assert!(!self.driver.is_open(), "`harness.settings(..)` must be called before the first orchestration is started");
        self.driver.set(Arc::new(change));
    }

    /// The inputs of all attempts of an activity, in their order; several arguments as a tuple.
    ///
    /// # Panics
    /// When an input cannot be read as the activity's arguments.
    #[track_caller]
    pub fn calls<A, F>(&self, _activity: impl Callable<A, Call = Activity<F>>) -> Vec<<F::Input as Arguments>::Value>
    where
        F: Function,
        F::Input: Arguments,
    {
        let decode = |input| match F::decode(&input) {
            Ok(input) => F::Input::into_value(input),
            Err(failure) => panic!("{failure}"),
        };
        self.driver.stage.calls(F::NAME).into_iter().map(decode).collect()
    }

    /// Starts an orchestration, and lets everything happen that happens without time passing: activities answer, children run.
    ///
    /// Without an [id](Orchestration::id) it is called `run-1`, the next one `run-2`.
    ///
    /// # Panics
    /// When it cannot be started, or an activity is called that is not mocked.
    #[track_caller]
    pub fn start<F: Function>(&self, call: Orchestration<F>) -> Run<'_, F> {
        let number = 1 + self.started.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let call = if call.has_id() { call } else { call.id(format!("run-{number}")) };
        let started = expect(self.driver.request(false, async |client: Client| client.start(call).await));
        match started {
            Ok(handle) => Run::new(self, handle.id().to_owned()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts an orchestration and waits for its result: [`start`](Self::start), then [`Run::result`].
    ///
    /// # Panics
    /// As these two.
    #[track_caller]
    pub fn run<F: Function>(&self, call: Orchestration<F>) -> <F::Kind as Returned<F::Output>>::Result {
        self.start(call).result()
    }

    /// Lets `duration` pass: every timer that becomes due meanwhile fires at its time, and what follows from it happens.
    ///
    /// # Panics
    /// When an activity is called that is not mocked.
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let until = self.driver.time.now().after(duration);
        expect(self.driver.block_on(self.driver.settle(until)));
    }

    /// The virtual time. It begins with the year 2025.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.driver.time.now().into()
    }

    /// How much virtual time has passed since the harness was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.driver.time.elapsed()
    }

    /// Does with a [`Client`] what has no method here, and lets everything happen that follows without time passing.
    ///
    /// # Panics
    /// When the client waits for something that needs time to pass.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use dacapo::{Status, testing::Harness};
    ///
    /// #[dacapo::orchestrator]
    /// async fn nap() { dacapo::sleep(Duration::from_secs(60)).await }
    ///
    /// let harness = Harness::new();
    /// let run = harness.start(nap());
    /// harness.client(|client| async move { client.suspend("run-1", "incident").await }).unwrap();
    /// harness.advance(Duration::from_secs(3600));
    /// assert_eq!(run.status().runtime_status(), Status::Suspended);
    /// ```
    #[track_caller]
    pub fn client<T, G>(&self, request: impl FnOnce(Client) -> G + Send) -> T
    where
        G: Future<Output = T> + Send,
        T: Send,
    {
        expect(self.driver.request(true, request))
    }

    /// The end of time, for waits that may last.
    pub(super) const FOREVER: Timestamp = Timestamp(i64::MAX);
}

/// Ends the test that is stuck.
#[track_caller]
pub(super) fn expect<T>(outcome: Result<T, Stuck>) -> T {
    match outcome {
        Ok(value) => value,
        Err(stuck) => panic!("{stuck}"),
    }
}
