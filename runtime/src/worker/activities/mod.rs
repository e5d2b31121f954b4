//! Runs attempts of activities: which may start, and what becomes of them.

mod journal;
pub(crate) mod pool;
mod queues;
pub(crate) mod suspects;

use std::sync::Arc;

use futures::future::AbortHandle;

use crate::activity::Signals;
use crate::worker::host::Host;

/// An attempt that runs or waits for a place.
pub(crate) struct Running {
    pub(crate) abort: AbortHandle,
    pub(crate) signals: Arc<Signals>,
}

impl Running {
    /// Drops the attempt, after the grace if it wants to clean up.
    pub(crate) fn cancel(self, host: &Host) {
        if !self.signals.cancel() {
            return self.abort();
        }
        let grace = host.time.sleep(host.pool.cancel_grace());
        host.spawn(async move {
            grace.await;
            self.abort();
        });
    }

    /// Drops the attempt at once.
    pub(crate) fn abort(self) {
        self.abort.abort();
    }
}
