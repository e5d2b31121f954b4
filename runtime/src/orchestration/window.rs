//! The window of a fan-out: what runs, what is to come, and the results so far.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use pin_project_lite::pin_project;
use serde::{Deserialize, Serialize};

use crate::orchestration::ambient::set_custom_status;

/// How far a fan-out is: its custom status after [`progress`](crate::FanOut::progress).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Items that have a result, an error included.
    pub done: usize,
    /// Items in all.
    pub total: usize,
    /// Items whose result is an error.
    pub failed: usize,
}

/// The items to come, the futures that run, the results so far.
pub(crate) struct Window<I, G, F: Future> {
    items: std::vec::IntoIter<I>,
    function: G,
    pub(super) limit: usize,
    running: FuturesUnordered<Numbered<F>>,
    /// Whether a result is a failure, when the progress is to be shown.
    pub(super) shows: Option<fn(&F::Output) -> bool>,
    progress: Progress,
    pub(super) results: Vec<Option<F::Output>>,
}

impl<I, G, F: Future> Window<I, G, F> {
    pub(super) fn new(items: impl IntoIterator<Item = I>, function: G) -> Self {
        let items: Vec<I> = items.into_iter().collect();
        let progress = Progress { total: items.len(), ..Progress::default() };
        let (running, results) = (FuturesUnordered::new(), Vec::with_capacity(items.len()));
        Self { items: items.into_iter(), function, limit: usize::MAX, running, shows: None, progress, results }
    }

    /// Counts failures as `is_failure` does, if the progress is shown.
    pub(super) fn counting(mut self, is_failure: fn(&F::Output) -> bool) -> Self {
        self.shows = self.shows.map(|_| is_failure);
        self
    }

    pub(super) fn total(&self) -> usize {
        self.progress.total
    }

    /// Fills the window and takes in one result; its index, or `None` when there are no more.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>>
    where
        G: FnMut(I) -> F,
    {
        if self.results.is_empty() && self.shows.is_some() {
            set_custom_status(&self.progress);
        }
        while self.running.len() < self.limit
            && let Some(item) = self.items.next()
        {
            self.running.push(Numbered { number: self.results.len(), future: (self.function)(item) });
            self.results.push(None);
        }
        let Some((number, output)) = std::task::ready!(self.running.poll_next_unpin(cx)) else {
            return Poll::Ready(None);
        };
        if let Some(is_failure) = self.shows {
            self.progress.done += 1;
            self.progress.failed += usize::from(is_failure(&output));
            set_custom_status(&self.progress);
        }
        self.results[number] = Some(output);
        Poll::Ready(Some(number))
    }

    /// Drops what runs, and starts nothing more.
    pub(super) fn cancel(&mut self) {
        self.running.clear();
        self.items = Vec::new().into_iter();
    }

    /// The results in the order of the items; none for an item that has no result.
    pub(super) fn take(&mut self) -> Vec<Option<F::Output>> {
        std::mem::take(&mut self.results)
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
