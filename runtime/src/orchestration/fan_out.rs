//! Fan-out with a window: many items, at most so many at once, results in input order.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use pin_project_lite::pin_project;

use crate::orchestration::durable::Durable;

/// Calls `function` for every item and waits for all results, in the order of the items.
///
/// Everything starts at once; [`limit`](FanOut::limit) keeps at most so many running, each end starting the next.
///
/// ```
/// use dacapo::{activity, fan_out, orchestrator};
///
/// #[activity]
/// async fn price(item: u32) -> u64 { u64::from(item) * 100 }
///
/// #[orchestrator]
/// async fn total(items: Vec<u32>) -> u64 {
///     fan_out(items, price).limit(50).await.into_iter().sum()
/// }
/// ```
pub fn fan_out<I, G, F>(items: I, function: G) -> FanOut<I::IntoIter, G, F>
where
    I: IntoIterator,
    G: FnMut(I::Item) -> F,
    F: Durable,
{
    FanOut { window: Window::new(items, function) }
}

/// Like [`fan_out`] for functions that return a `Result`: the first error ends it, and what still runs is cancelled.
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
pub fn try_fan_out<I, G, F, T, E>(items: I, function: G) -> TryFanOut<I::IntoIter, G, F>
where
    I: IntoIterator,
    G: FnMut(I::Item) -> F,
    F: Durable<Output = Result<T, E>>,
{
    TryFanOut { window: Window::new(items, function) }
}

/// A fan-out, from [`fan_out`].
#[must_use = "a fan-out does nothing until it is awaited"]
pub struct FanOut<I, G, F: Future> {
    window: Window<I, G, F, F::Output>,
}

/// A fan-out that stops at the first error, from [`try_fan_out`].
#[must_use = "a fan-out does nothing until it is awaited"]
pub struct TryFanOut<I, G, F: Future> {
    window: Window<I, G, F, F::Output>,
}

impl<I, G, F: Future> FanOut<I, G, F> {
    /// Keeps at most `limit` running. 0 counts as 1.
    pub fn limit(mut self, limit: usize) -> Self {
        self.window.limit = limit.max(1);
        self
    }
}

impl<I, G, F: Future> TryFanOut<I, G, F> {
    /// Keeps at most `limit` running. 0 counts as 1.
    pub fn limit(mut self, limit: usize) -> Self {
        self.window.limit = limit.max(1);
        self
    }
}

/// Nothing is pinned in place: the futures are on the heap.
impl<I, G, F: Future> Unpin for FanOut<I, G, F> {}
impl<I, G, F: Future> Unpin for TryFanOut<I, G, F> {}

impl<I: Iterator, G: FnMut(I::Item) -> F, F: Durable> Future for FanOut<I, G, F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(()) = std::task::ready!(self.window.poll_next(cx)) {}
        Poll::Ready(self.window.take())
    }
}

impl<I, G, F, T, E> Future for TryFanOut<I, G, F>
where
    I: Iterator,
    G: FnMut(I::Item) -> F,
    F: Durable<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(()) = std::task::ready!(self.window.poll_next(cx)) {
            if let Some(error) = self.window.take_last_if(Result::is_err).and_then(Result::err) {
                self.window.running.clear();
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(self.window.take().into_iter().collect())
    }
}

#[diagnostic::do_not_recommend]
impl<I: Iterator, G: FnMut(I::Item) -> F, F: Durable> Durable for FanOut<I, G, F> {}

#[diagnostic::do_not_recommend]
impl<I, G, F, T, E> Durable for TryFanOut<I, G, F>
where
    I: Iterator,
    G: FnMut(I::Item) -> F,
    F: Durable<Output = Result<T, E>>,
{
}

/// The items to come, the futures that run, the results so far.
struct Window<I, G, F, O> {
    items: I,
    function: G,
    limit: usize,
    running: FuturesUnordered<Numbered<F>>,
    results: Vec<Option<O>>,
    last: usize,
}

impl<I, G, F: Future> Window<I, G, F, F::Output> {
    fn new(items: impl IntoIterator<IntoIter = I>, function: G) -> Self {
        let running = FuturesUnordered::new();
        Self { items: items.into_iter(), function, limit: usize::MAX, running, results: Vec::new(), last: 0 }
    }

    /// Fills the window and takes in one result; `None` when there are no more.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>>
    where
        I: Iterator,
        G: FnMut(I::Item) -> F,
    {
        while self.running.len() < self.limit
            && let Some(item) = self.items.next()
        {
            self.running.push(Numbered { number: self.results.len(), future: (self.function)(item) });
            self.results.push(None);
        }
        let Some((number, output)) = std::task::ready!(self.running.poll_next_unpin(cx)) else {
            return Poll::Ready(None);
        };
        self.results[number] = Some(output);
        self.last = number;
        Poll::Ready(Some(()))
    }

    fn take_last_if(&mut self, condition: impl Fn(&F::Output) -> bool) -> Option<F::Output> {
        let last = &mut self.results[self.last];
        if last.as_ref().is_some_and(condition) { last.take() } else { None }
    }

    fn take(&mut self) -> Vec<F::Output> {
        std::mem::take(&mut self.results).into_iter().flatten().collect()
    }
}

pin_project! {
    struct Numbered<F> {
        number: usize,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Numbered<F> {
    type Output = (usize, F::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.future.poll(cx).map(|output| (*this.number, output))
    }
}
