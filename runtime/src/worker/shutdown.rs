//! Ends a worker: in good order, or at once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{Either, select};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::{entity, instance};
use crate::kernel::stored::StoreResult;
use crate::worker::shard::Shard;

/// How long a shutdown waits for what has ended to be written, and for what is unloaded to be dropped.
const SETTLING: Duration = Duration::from_secs(5);

impl Shard {
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Starts nothing more, gives running activities `grace` to end, and unloads everything. Fails when something that was done or asked
    /// for could not be written.
    pub(crate) async fn shut_down(self: &Arc<Self>, grace: Duration) -> StoreResult<()> {
        self.host.pool.close();
        self.host.pool.drain(grace).await;
        let cut_off = self.host.pool.running();
        if cut_off > 0 {
            tracing::warn!(
                activities = cut_off,
                "activities were still running after the grace period; the next runtime will run them again"
            );
        }
        // What ended within the grace is on its way into the history.
        let in_time = matches!(select(pin!(self.settled()), self.host.time.sleep(SETTLING)).await, Either::Left(_));
        let unwritten = if in_time { Ok(()) } else { self.unwritten() };
        let store = self.store.clone();
        let closed = self.aside(async move { store.close().await }).await;
        self.stop();
        if let Either::Right(_) = select(pin!(self.retired.dropped()), self.host.time.sleep(SETTLING)).await {
            tracing::warn!("values of unloaded orchestrations or entities are still being dropped after the shutdown");
        }
        // What another worker has taken over goes on there.
        let failed = self.failed.get().filter(|error| error.kind() != ErrorKind::Fenced).cloned();
        failed.map_or(Ok(()), Err).and(closed).and(unwritten)
    }

    /// Waits until no machine is at work.
    async fn settled(&self) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.at_work().is_empty() {
                return;
            }
            settled.await;
        }
    }

    /// The ids of the machines that are at work.
    fn at_work(&self) -> Vec<Arc<str>> {
        let instances = self.residents.instances.all().into_iter();
        let instances = instances.filter(|it| it.machine.lock().is_turning()).map(|it| it.id.clone());
        let entities = self.residents.entities.all().into_iter();
        instances.chain(entities.filter(|it| it.machine.lock().is_turning()).map(|it| it.id.clone())).collect()
    }

    /// Says which turns have not been written.
    fn unwritten(&self) -> StoreResult<()> {
        let ids = self.at_work();
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
        self.host.pool.close();
        for instance in self.residents.instances.all() {
            self.tell(&instance, instance::Input::Stop(self.stopped_by()));
        }
        for entity in self.residents.entities.all() {
            self.tell_resident(&entity, entity::Input::Stop(self.stopped_by()));
        }
        self.residents.clear_idle();
        self.waiters.lock().clear();
        self.starts.lock().clear();
        self.watchers.stop();
        if let Some(ended) = &self.retained {
            ended.notify();
        }
        self.clock.stop();
        self.backlog.stop();
        self.inbox.bell().ring();
        self.host.pool.suspects().close();
    }
}
