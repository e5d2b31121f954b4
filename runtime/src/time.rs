//! The time a worker lives by: the machine's, or one that a test moves.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::kernel::time::Timestamp;

/// Where a worker reads the time and waits.
///
/// Invariant: every wait of a worker that has to do with an orchestration goes through here, so that a test can see the
/// earliest of them and go there at once.
pub(crate) trait Time: Send + Sync + 'static {
    /// The present.
    fn now(&self) -> Timestamp;
    /// How long it runs, by a clock that nobody sets.
    fn uptime(&self) -> Duration;
    /// Waits for a length of time, whatever is done to the clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// Waits until the clock shows `at`.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}

/// This machine's time.
pub(crate) struct Wall {
    started: Instant,
}

impl Wall {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

/// A wall clock may be set while a timer waits, so no wait trusts it for longer than this.
const LONGEST_NAP: Duration = Duration::from_secs(60);

impl Time for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        async move {
            loop {
                let left = at.since(Timestamp::now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_NAP)).await;
            }
        }
        .boxed()
    }
}
