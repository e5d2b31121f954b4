//! An attempt of an activity, from its start to its end.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{AbortHandle, AbortRegistration};
use tokio::runtime::Handle;

use crate::activity::{Signals, Sink};
use crate::kernel::engine::event::CallId;
use crate::kernel::function::Limits;
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::kernel::stored::InstanceKey;
use crate::kernel::trace::TraceContext;
use crate::time::Time;

/// An activity, and the key of its call where it has one.
pub(crate) type Queue = (&'static str, Option<Arc<str>>);

/// One attempt of an activity that is due.
pub(crate) struct Job {
    pub(crate) sink: Arc<dyn Sink>,
    /// The key of the instance.
    pub(crate) owner: InstanceKey,
    pub(crate) call: CallId,
    pub(crate) activity: Registration,
    pub(crate) input: Payload,
    pub(crate) attempt: u32,
    pub(crate) limits: Limits,
    pub(crate) key: String,
    pub(crate) queue: Queue,
    pub(crate) abort: AbortRegistration,
    pub(crate) signals: Arc<Signals>,
    pub(crate) last_heartbeat: Option<Payload>,
    pub(crate) trace: Option<Box<TraceContext>>,
    /// It is tried, because the process died while it ran. What ends the trial when it is dropped.
    pub(crate) trial: Option<Box<dyn Any + Send + Sync>>,
}

impl Job {
    /// The call, in all of the store.
    pub(crate) fn id(&self) -> (InstanceKey, CallId) {
        (self.owner, self.call)
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.abort.handle().is_aborted()
    }
}

/// An attempt that runs or waits for a place.
pub(crate) struct Running {
    pub(crate) abort: AbortHandle,
    pub(crate) signals: Arc<Signals>,
}

impl Running {
    /// Drops the attempt, after the grace if it wants to clean up.
    pub(crate) fn cancel(self, executor: &Handle, time: &dyn Time, grace: Duration) {
        if !self.signals.cancel() {
            return self.abort();
        }
        let grace = time.sleep(grace);
        executor.spawn(async move {
            grace.await;
            self.abort();
        });
    }

    /// Drops the attempt at once.
    pub(crate) fn abort(self) {
        self.abort.abort();
    }
}
