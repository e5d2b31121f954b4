//! What belongs to the process: its executor and time, its code, its activities.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::registry::Registry;
use crate::time::Time;
use crate::worker::activities::pool::Pool;
use crate::worker::places::Places;

pub(crate) struct Host {
    pub(super) executor: Handle,
    pub(super) time: Arc<dyn Time>,
    pub(super) registry: Registry,
    pub(super) pool: Arc<Pool>,
    pub(super) places: Places,
    /// Whether operations of entities have threads on which they may block.
    pub(super) may_block: bool,
    /// Whether every turn is replayed on the side.
    pub(super) verify: bool,
}

impl Host {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(task);
    }

    /// Runs what may block, on a thread for that. In a test, which counts on its one thread, it runs here.
    pub(super) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if self.may_block { self.executor.spawn_blocking(work).await.ok() } else { Some(work()) }
    }
}
