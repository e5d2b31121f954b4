//! Creates orchestrations: with their first turn, or stored, for when they are due and there is room.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::select;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::instance::jobs::First;
use crate::kernel::machine::instance::{Instance, Next};
use crate::kernel::machine::request::StartRequest;
use crate::kernel::stored::{InstanceKey, Status, StoreResult};
use crate::store::Lookup;
use crate::worker::residents::Resident;
use crate::worker::shard::Shard;

/// How long a start waits for its first turn where that cannot run at once.
const PATIENCE: Duration = Duration::from_secs(1);

impl Shard {
    /// Creates an instance and runs its first turn; answers with its key when both are durable.
    pub(crate) async fn create(self: &Arc<Self>, mut request: StartRequest) -> StoreResult<InstanceKey> {
        self.check_running()?;
        let name = &request.name;
        let Some(orchestrator) = self.host.registry.orchestrator(name).copied() else {
            return Err(RuntimeError::new(ErrorKind::Invalid, self.host.registry.not_registered(name, 1)));
        };
        request.version = orchestrator.version();
        let runs_now = request.at.is_none_or(|at| at <= self.now()) && self.has_room() && self.host.places.take();
        let id: Arc<str> = request.id.as_str().into();
        let limited = self.host.places.are_limited();
        let created = || Resident::new(&id, self, Instance::created(id.clone(), limited));
        let instance = if runs_now { self.residents.instances.insert(&id, created) } else { None };
        let Some(instance) = instance else {
            if runs_now {
                self.release_place();
            }
            // Whether one that is looked at just now exists, the store knows.
            let key = self.create_stored(request, orchestrator.shape()).await?;
            if runs_now {
                // It may have to wait for room, and its start may be what somebody who has the room waits for.
                let started = pin!(self.wait_started(&id, self.has_started(key)));
                select(started, self.host.time.sleep(PATIENCE)).await;
            }
            return Ok(key);
        };
        // Those that rest give way at once.
        self.trim();
        let (ack, answer) = oneshot::channel();
        let first = First { id, orchestrator, request, ack };
        self.drive_later(&instance, Next::First(Box::new(first)));
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))?;
        Ok(instance.key())
    }

    /// Creates an instance whose first turn runs when it is due and there is room for it.
    async fn create_stored(self: &Arc<Self>, request: StartRequest, shape: u64) -> StoreResult<InstanceKey> {
        let batch = request.into_batch(shape, self.now());
        let due = batch.create.as_ref().and_then(|new| new.state.wake_at);
        let written = self.send_batch(batch);
        let (shard, (sender, answer)) = (self.clone(), oneshot::channel());
        // In a task of its own, so that what was written is taken up when nobody waits for the answer any more.
        self.host.spawn(async move {
            let created = shard.written(written.await).map(|applied| {
                let key = applied.created.expect("what is to be created is created, or refused");
                match due {
                    Some(due) => shard.clock.set_stored(Some(due)),
                    None => shard.backlog.add_new(),
                }
                key
            });
            let _ = sender.send(created.map_err(|refused| refused.error));
        });
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))
    }

    /// Whether a run has had its first turn, or is gone.
    async fn has_started(&self, key: InstanceKey) -> StoreResult<Option<()>> {
        let found = self.store.find(Lookup::Key(key)).await?;
        Ok(found.is_none_or(|found| found.state.status != Status::Pending).then_some(()))
    }
}
