//! Fan-out with a window: many items, at most so many at once, results in input order.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::orchestration::durable::Durable;
use crate::orchestration::fan_out_rules::{NeedSuccesses, TolerateFailures};
use crate::orchestration::window::Window;

/// Calls `function` for every item and waits for all results, in the order of the items.
///
/// Everything starts at once; [`limit`](FanOut::limit) keeps at most so many running, each end starting the next. Where `function`
/// returns a `Result`, a completion rule decides when the whole is done: [`tolerate_failures`](FanOut::tolerate_failures),
/// [`need_successes`](FanOut::need_successes).
///
/// ```standalone_crate
/// use dacapo::{Progress, activity, fan_out, orchestrator};
///
/// #[activity]
/// async fn price(item: u32) -> u64 { u64::from(item) * 100 }
///
/// #[orchestrator]
/// async fn total(items: Vec<u32>) -> u64 {
///     fan_out(items, price).limit(50).progress().await.into_iter().sum()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> dacapo::Result<()> {
/// let runtime = dacapo::Runtime::open("memory:").await?;
/// let run = runtime.start(total(vec![1, 2, 3])).await?;
/// assert_eq!(run.result().await?, 600);
/// assert_eq!(run.custom_status().await?, Some(Progress { done: 3, total: 3, failed: 0 }));
/// # Ok(())
/// # }
/// ```
pub fn fan_out<I, G, F>(items: I, function: G) -> FanOut<I::Item, G, F>
where
    I: IntoIterator,
    G: FnMut(I::Item) -> F,
    F: Durable,
{
    FanOut { window: Window::new(items, function) }
}

/// Like [`fan_out`] for functions that return a `Result`: the first error ends it, and what still runs is cancelled.
///
/// Its error is the item's own; [`tolerate_failures(0)`](FanOut::tolerate_failures) tells which item it was.
///
/// ```
/// use dacapo::{activity, orchestrator, try_fan_out};
///
/// #[activity]
/// async fn reserve(item: u32) -> dacapo::Result<u64> { Ok(u64::from(item)) }
///
/// #[orchestrator]
/// async fn reserve_all(items: Vec<u32>) -> dacapo::Result<Vec<u64>> {
///     try_fan_out(items, reserve).limit(50).await
/// }
/// ```
pub fn try_fan_out<I, G, F, T, E>(items: I, function: G) -> TryFanOut<I::Item, G, F>
where
    I: IntoIterator,
    G: FnMut(I::Item) -> F,
    F: Durable<Output = Result<T, E>>,
{
    TryFanOut { window: Window::new(items, function) }
}

/// A fan-out, from [`fan_out`].
///
/// # Cancel safety
/// This future is not cancel safe: dropping it cancels the calls that are under way, and all results are lost.
#[must_use = "a fan-out does nothing until it is awaited"]
pub struct FanOut<I, G, F: Future> {
    window: Window<I, G, F>,
}

/// A fan-out that stops at the first error, from [`try_fan_out`].
///
/// # Cancel safety
/// This future is not cancel safe: dropping it cancels the calls that are under way, and all results are lost.
#[must_use = "a fan-out does nothing until it is awaited"]
pub struct TryFanOut<I, G, F: Future> {
    window: Window<I, G, F>,
}

impl<I, G, F: Durable> FanOut<I, G, F> {
    /// Keeps at most `limit` running. 0 counts as 1.
    pub fn limit(mut self, limit: usize) -> Self {
        self.window.limit = limit.max(1);
        self
    }

    /// Keeps the instance's custom status at a [`Progress`](crate::Progress): `{"done":3,"total":10,"failed":1}`.
    ///
    /// An error counts as failed where the item is a call, or where a completion rule needs to know; what an async block
    /// returns is only counted as done.
    pub fn progress(mut self) -> Self {
        self.window.shows = Some(F::is_failure);
        self
    }
}

impl<I, G, F, T, E> FanOut<I, G, F>
where
    F: Durable<Output = Result<T, E>>,
{
    /// Goes on while at most `failures` items have failed, and then gives all results in the order of the items. One more failure
    /// ends it at once with all failures so far, each with the index of its item; what still runs is cancelled.
    ///
    /// ```standalone_crate
    /// use dacapo::{Error, Retry, activity, fan_out, orchestrator};
    ///
    /// #[activity(retry = Retry::none())]
    /// async fn notify(user: u32) -> dacapo::Result<()> {
    ///     if user % 4 == 3 { Err(Error::msg("no address")) } else { Ok(()) }
    /// }
    ///
    /// #[orchestrator]
    /// async fn notify_all(users: u32, failures: usize) -> dacapo::Result<usize> {
    ///     let results = fan_out(0..users, notify).limit(50).tolerate_failures(failures).await?;
    ///     Ok(results.iter().filter(|result| result.is_ok()).count())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// assert_eq!(runtime.start(notify_all(20, 10)).await?.result().await?, 15);
    /// assert!(runtime.start(notify_all(20, 4)).await?.result().await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn tolerate_failures(self, failures: usize) -> TolerateFailures<I, G, F> {
        TolerateFailures::new(self.window.counting(Result::is_err), failures)
    }

    /// Is done as soon as `successes` items have succeeded, and gives them with the indexes of their items, in the order of the items.
    /// What still runs is cancelled. When so many cannot succeed any more it ends at once with all failures so far.
    ///
    /// ```standalone_crate
    /// use dacapo::{Error, Retry, activity, fan_out, orchestrator};
    ///
    /// #[activity(retry = Retry::none())]
    /// async fn write_replica(host: String) -> dacapo::Result<u64> {
    ///     if host == "b" { Err(Error::msg("b is down")) } else { Ok(7) }
    /// }
    ///
    /// #[orchestrator]
    /// async fn quorum(hosts: Vec<String>) -> dacapo::Result<Vec<usize>> {
    ///     let written = fan_out(hosts, write_replica).need_successes(2).await?;
    ///     Ok(written.into_iter().map(|(host, _version)| host).collect())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let hosts = ["a", "b", "c"].map(String::from).to_vec();
    /// assert_eq!(runtime.start(quorum(hosts)).await?.result().await?, [0, 2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn need_successes(self, successes: usize) -> NeedSuccesses<I, G, F> {
        NeedSuccesses::new(self.window.counting(Result::is_err), successes)
    }
}

/// The settings of a fan-out whose results are known to be `Result`s.
macro_rules! settings {
    ($($type:ident)*) => {$(
        impl<I, G, F, T, E> $type<I, G, F>
        where
            F: Durable<Output = Result<T, E>>,
        {
            /// Keeps at most `limit` running. 0 counts as 1.
            pub fn limit(mut self, limit: usize) -> Self {
                self.window.limit = limit.max(1);
                self
            }

            /// Keeps the instance's custom status at a [`Progress`](crate::Progress), as [`FanOut::progress`] does.
            pub fn progress(mut self) -> Self {
                self.window.shows = Some(Result::is_err);
                self
            }
        }
    )*};
}

settings!(TryFanOut TolerateFailures NeedSuccesses);

/// Nothing is pinned in place: the futures are on the heap.
impl<I, G, F: Future> Unpin for FanOut<I, G, F> {}
impl<I, G, F: Future> Unpin for TryFanOut<I, G, F> {}

impl<I, G: FnMut(I) -> F, F: Durable> Future for FanOut<I, G, F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while std::task::ready!(self.window.poll_next(cx)).is_some() {}
        Poll::Ready(self.window.take().into_iter().flatten().collect())
    }
}

impl<I, G, F, T, E> Future for TryFanOut<I, G, F>
where
    G: FnMut(I) -> F,
    F: Durable<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(last) = std::task::ready!(self.window.poll_next(cx)) {
            if let Some(Err(error)) = self.window.results[last].take_if(|result| result.is_err()) {
                self.window.cancel();
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(self.window.take().into_iter().flatten().collect())
    }
}

#[diagnostic::do_not_recommend]
impl<I, G: FnMut(I) -> F, F: Durable> Durable for FanOut<I, G, F> {}

#[diagnostic::do_not_recommend]
impl<I, G, F, T, E> Durable for TryFanOut<I, G, F>
where
    G: FnMut(I) -> F,
    F: Durable<Output = Result<T, E>>,
{
}
