//! Ends a worker: in good order, or at once.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::StoreResult;
use crate::worker::Worker;

/// How long a shutdown waits for what has ended to be written, and for what is unloaded to be dropped.
const SETTLING: Duration = Duration::from_secs(5);

impl Worker {
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Starts nothing more, gives running activities `grace` to end, and unloads everything. Fails when something that was done or asked
    /// for could not be written.
    pub(crate) async fn shut_down(self: &Arc<Self>, grace: Duration) -> StoreResult<()> {
        self.pool.close();
        self.pool.drain(grace).await;
        let cut_off = self.pool.lanes().running();
        if cut_off > 0 {
            tracing::warn!(
                activities = cut_off,
                "activities were still running after the grace period; the next runtime will run them again"
            );
        }
        // What ended within the grace is on its way into the history.
        let settled = async {
            while self.instances().values().any(|instance| instance.is_turning())
                || self.entities.all().iter().any(|entity| entity.is_turning())
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let settled = tokio::time::timeout(SETTLING, settled).await;
        let unwritten = if settled.is_ok() { Ok(()) } else { self.unwritten() };
        let store = self.store.clone();
        let closed = self.aside(async move { store.close().await }).await;
        self.stop();
        if tokio::time::timeout(SETTLING, self.retired.dropped()).await.is_err() {
            tracing::warn!("values of unloaded orchestrations or entities are still being dropped after the shutdown");
        }
        // What another worker has taken over goes on there.
        let ended = self.ended.get().filter(|error| error.kind() != ErrorKind::Fenced).cloned();
        ended.map_or(Ok(()), Err).and(closed).and(unwritten)
    }

    /// Says which turns have not been written.
    fn unwritten(&self) -> StoreResult<()> {
        let instances = self.instances().values().filter(|instance| instance.is_turning()).map(|it| it.id().clone()).collect();
        let entities = self.entities.all();
        let mut ids: Vec<Arc<str>> = instances;
        ids.extend(entities.iter().filter(|entity| entity.is_turning()).map(|entity| entity.id().clone()));
        let Some(first) = ids.first() else { return Ok(()) };
        let message = format!(
            "failed to write the last turns of {} orchestrations and entities, `{first}` among them, before the runtime shut down; they go \
             on from the turn before when the store is opened again",
            ids.len()
        );
        Err(RuntimeError::new(ErrorKind::Store, message))
    }

    /// Stops at once. What is under way is left for recovery.
    pub(crate) fn stop(self: &Arc<Self>) {
        if self.stopped.swap(true, Ordering::AcqRel) {
            return;
        }
        self.pool.close();
        let instances: Vec<_> = self.instances().values().cloned().collect();
        for instance in instances {
            instance.leave(self).into_iter().for_each(|message| message.refuse(self.stopped_by()));
        }
        for entity in self.entities.all() {
            entity.leave(self).into_iter().for_each(|message| message.refuse(self.stopped_by()));
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.waiters().clear();
        self.starts().clear();
        self.watchers.stop();
        if let Some(ended) = &self.retained {
            ended.notify();
        }
        self.clock.stop();
        self.backlog.stop();
        self.pool.suspects().close();
    }
}

pub(crate) fn shutting_down() -> RuntimeError {
    RuntimeError::new(ErrorKind::ShuttingDown, "the runtime is shut down; open the store again to go on")
}
