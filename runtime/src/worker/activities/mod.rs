//! Runs attempts of activities: which may start, and what becomes of them.

mod journal;
pub(crate) mod pool;
mod queues;
pub(crate) mod suspects;

use std::sync::Arc;

use futures::future::{AbortHandle, BoxFuture};

use crate::activity::Signals;
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::payload::Payload;
use crate::kernel::stored::InstanceKey;
use crate::worker::host::Host;

/// Where an attempt goes: to an instance here, or to whoever else has asked for it.
pub(crate) trait Sink: Send + Sync {
    /// The instance that called the activity.
    fn instance(&self) -> &Arc<str>;

    /// The attempt has ended: what it said last, and its outcome unless it was cancelled. What follows is done by the future.
    fn ended(
        self: Arc<Self>,
        call: CallId,
        last_heartbeat: Option<Payload>,
        event: Option<Event>,
    ) -> Option<BoxFuture<'static, ()>>;

    /// Keeps what an attempt has said of itself, or forgets it.
    fn heartbeat(&self, instance: InstanceKey, call: CallId, details: Option<Payload>);
}

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
