//! Time that passes only when it is told to.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::kernel::time::Timestamp;
use crate::lock::{Held, Lock, Order};
use crate::time::Time;

/// 2025-01-01 00:00:00 UTC.
const START: Timestamp = Timestamp(1_735_689_600_000_000);

/// A clock that stands still between two [`advance_to`](Self::advance_to). Clones are the same clock.
#[derive(Clone)]
pub(super) struct VirtualTime(Arc<Lock<State>>);

struct State {
    now: Timestamp,
    last: u64,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
}

impl VirtualTime {
    pub(super) fn new() -> Self {
        Self(Arc::new(Lock::new(Order::Time, State { now: START, last: 0, sleepers: BTreeMap::new() })))
    }

    fn lock(&self) -> Held<'_, State> {
        self.0.lock()
    }

    /// How much time has passed since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.now().since(START)
    }

    /// The earliest moment that somebody waits for.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.lock().sleepers.keys().next().map(|(at, _)| *at)
    }

    /// Goes to a later moment and wakes all who waited for it.
    pub(super) fn advance_to(&self, at: Timestamp) {
        let mut state = self.lock();
        state.now = state.now.max(at);
        let next = Timestamp(state.now.0.saturating_add(1));
        let later = state.sleepers.split_off(&(next, 0));
        let woken = std::mem::replace(&mut state.sleepers, later);
        drop(state);
        woken.into_values().for_each(Waker::wake);
    }
}

impl Time for VirtualTime {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn uptime(&self) -> Duration {
        self.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now().after(duration))
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Nap { time: self.clone(), at, place: None }.boxed()
    }
}

/// A wait for a moment. Dropped, it leaves the line.
struct Nap {
    time: VirtualTime,
    at: Timestamp,
    place: Option<(Timestamp, u64)>,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut state = time.lock();
        if state.now >= self.at {
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            state.last += 1;
            (self.at, state.last)
        });
        state.sleepers.insert(place, cx.waker().clone());
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.time.lock().sleepers.remove(&place);
        }
    }
}
