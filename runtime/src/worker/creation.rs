//! Creates orchestrations: with their first turn, or stored, for when they are due and there is room.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::{self, Batch, Lookup, Status, StoreResult};
use crate::worker::Worker;
use crate::worker::instance::Instance;
use crate::worker::request::Request;

/// How long a start waits for its first turn where that cannot run at once.
const PATIENCE: Duration = Duration::from_secs(1);

impl Worker {
    /// Creates an instance and runs its first turn; answers with its key when both are durable.
    pub(crate) async fn create(self: &Arc<Self>, mut request: Request) -> StoreResult<store::InstanceKey> {
        self.check_running()?;
        let name = &request.name;
        let Some(orchestrator) = self.registry.orchestrator(name).copied() else {
            return Err(RuntimeError::new(ErrorKind::Invalid, self.registry.not_registered(name, 1)));
        };
        request.version = orchestrator.version();
        let runs_now = request.at.is_none_or(|at| at <= self.now()) && self.has_room() && self.places.take();
        let id: Arc<str> = request.id.as_str().into();
        let instance = match self.instances().entry(id.clone()) {
            Entry::Vacant(entry) if runs_now => Some(entry.insert(Instance::created(id.clone(), None)).clone()),
            Entry::Vacant(_) | Entry::Occupied(_) => None,
        };
        let Some(instance) = instance else {
            if runs_now {
                self.release_place();
            }
            // Whether one that is looked at just now exists, the store knows.
            let key = self.create_stored(request, orchestrator.shape()).await?;
            if runs_now {
                // It may have to wait for room, and its start may be what somebody who has the room waits for.
                let _ = tokio::time::timeout(PATIENCE, self.wait_started(&id, self.has_started(key))).await;
            }
            return Ok(key);
        };
        // Those that rest give way at once.
        self.trim();
        let (ack, answer) = oneshot::channel();
        let (worker, created) = (self.clone(), instance.clone());
        self.spawn(async move { created.start(&worker, worker.execution(orchestrator, created.id()), request, ack) });
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))?;
        Ok(instance.key())
    }

    /// Creates an instance whose first turn runs when it is due and there is room for it.
    async fn create_stored(self: &Arc<Self>, request: Request, shape: u64) -> StoreResult<store::InstanceKey> {
        let batch = Batch { epoch: Some(self.epoch), ..request.into_batch(shape, self.now()) };
        let due = batch.create.as_ref().and_then(|new| new.state.wake_at);
        let (ack, answer) = oneshot::channel();
        let worker = self.clone();
        let reply = move |result: Result<store::Applied, Box<store::Refused>>| {
            let created = result.map(|applied| {
                let key = applied.created.expect("what is to be created is created, or refused");
                match due {
                    Some(due) => worker.clock.set_stored(Some(due)),
                    None => worker.backlog.add(key),
                }
                key
            });
            let _ = ack.send(created.map_err(|refused| refused.error));
        };
        self.store.apply(batch, Box::new(reply));
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))
    }

    /// Whether a run has had its first turn, or is gone.
    async fn has_started(&self, key: store::InstanceKey) -> StoreResult<Option<()>> {
        let found = self.store.find(Lookup::Key(key)).await?;
        Ok(found.is_none_or(|found| found.state.status != Status::Pending).then_some(()))
    }
}
