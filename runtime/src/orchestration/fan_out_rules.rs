//! When a fan-out is done before all items are.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::orchestration::durable::Durable;
use crate::orchestration::window::Window;

/// A fan-out that ends when too many items have failed, from [`FanOut::tolerate_failures`](crate::FanOut::tolerate_failures).
///
/// # Cancel safety
/// This future is not cancel safe: dropping it cancels the calls that are under way, and all results are lost.
#[must_use = "a fan-out does nothing until it is awaited"]
pub struct TolerateFailures<I, G, F: Future> {
    pub(crate) window: Window<I, G, F>,
    tolerated: usize,
    failed: usize,
}

/// A fan-out that ends when enough items have succeeded, from [`FanOut::need_successes`](crate::FanOut::need_successes).
///
/// # Cancel safety
/// This future is not cancel safe: dropping it cancels the calls that are under way, and all results are lost.
#[must_use = "a fan-out does nothing until it is awaited"]
pub struct NeedSuccesses<I, G, F: Future> {
    pub(crate) window: Window<I, G, F>,
    needed: usize,
    succeeded: usize,
    failed: usize,
}

impl<I, G, F: Future> TolerateFailures<I, G, F> {
    pub(crate) fn new(window: Window<I, G, F>, tolerated: usize) -> Self {
        Self { window, tolerated, failed: 0 }
    }
}

impl<I, G, F: Future> NeedSuccesses<I, G, F> {
    pub(crate) fn new(window: Window<I, G, F>, needed: usize) -> Self {
        Self { window, needed, succeeded: 0, failed: 0 }
    }
}

/// Nothing is pinned in place: the futures are on the heap.
impl<I, G, F: Future> Unpin for TolerateFailures<I, G, F> {}
impl<I, G, F: Future> Unpin for NeedSuccesses<I, G, F> {}

impl<I, G, F, T, E> Future for TolerateFailures<I, G, F>
where
    G: FnMut(I) -> F,
    F: Durable<Output = Result<T, E>>,
{
    type Output = Result<Vec<Result<T, E>>, FanOutError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some(last) = std::task::ready!(this.window.poll_next(cx)) {
            this.failed += usize::from(matches!(this.window.results[last], Some(Err(_))));
            if this.failed > this.tolerated {
                let rule = Rule::Tolerates(this.tolerated);
                return Poll::Ready(Err(FanOutError::of(&mut this.window, rule)));
            }
        }
        Poll::Ready(Ok(this.window.take().into_iter().flatten().collect()))
    }
}

impl<I, G, F, T, E> Future for NeedSuccesses<I, G, F>
where
    G: FnMut(I) -> F,
    F: Durable<Output = Result<T, E>>,
{
    type Output = Result<Vec<(usize, T)>, FanOutError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if this.succeeded >= this.needed {
                this.window.cancel();
                let succeeded = |(index, result): (usize, Option<Result<T, E>>)| Some((index, result?.ok()?));
                return Poll::Ready(Ok(this.window.take().into_iter().enumerate().filter_map(succeeded).collect()));
            }
            if this.window.total() - this.failed < this.needed {
                let rule = Rule::Needs(this.needed);
                return Poll::Ready(Err(FanOutError::of(&mut this.window, rule)));
            }
            let Some(last) = std::task::ready!(this.window.poll_next(cx)) else {
                return Poll::Pending;
            };
            match &this.window.results[last] {
                Some(Err(_)) => this.failed += 1,
                _ => this.succeeded += 1,
            }
        }
    }
}

#[diagnostic::do_not_recommend]
impl<I, G, F, T, E> Durable for TolerateFailures<I, G, F>
where
    G: FnMut(I) -> F,
    F: Durable<Output = Result<T, E>>,
{
}

#[diagnostic::do_not_recommend]
impl<I, G, F, T, E> Durable for NeedSuccesses<I, G, F>
where
    G: FnMut(I) -> F,
    F: Durable<Output = Result<T, E>>,
{
}

/// Why a fan-out has ended early: its rule, and every failure with the index of its item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanOutError<E> {
    failures: Vec<(usize, E)>,
    total: usize,
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Tolerates(usize),
    Needs(usize),
}

impl<E> FanOutError<E> {
    fn of<I, G, F: Future<Output = Result<T, E>>, T>(window: &mut Window<I, G, F>, rule: Rule) -> Self {
        window.cancel();
        let failed = |(index, result): (usize, Option<Result<T, E>>)| Some((index, result?.err()?));
        let failures = window.take().into_iter().enumerate().filter_map(failed).collect();
        Self { failures, total: window.total(), rule }
    }

    /// The items that failed until then: the index of each, counted from 0, and its error.
    #[must_use]
    pub fn failures(&self) -> &[(usize, E)] {
        &self.failures
    }

    /// The same by value.
    #[must_use]
    pub fn into_failures(self) -> Vec<(usize, E)> {
        self.failures
    }

    /// How many items there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }
}

/// The rule, and the first failures; [`failures`](FanOutError::failures) has them all.
impl<E: fmt::Display> fmt::Display for FanOutError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        write!(f, "{} of {} items failed, and the fan-out ", self.failures.len(), self.total)?;
        match self.rule {
            Rule::Tolerates(failures) => write!(f, "tolerates {failures}")?,
            Rule::Needs(successes) => write!(f, "needs {successes} that succeed")?,
        }
        for (position, (index, error)) in self.failures.iter().take(SHOWN).enumerate() {
            write!(f, "{} item {index}: {error}", if position == 0 { ":" } else { ";" })?;
        }
        match self.failures.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for FanOutError<E> {}
