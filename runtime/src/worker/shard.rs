//! What belongs to the claim on a store: the machines in memory, what wakes them, and who waits for them. SQLite and a store in memory have one
//! shard.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};

use crate::activity::Sink;
use crate::kernel::batch::{Applied, Batch, Epoch, Heartbeat, Refused};
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::error::RuntimeError;
use crate::kernel::instance_id;
use crate::kernel::machine::entity::Entity;
use crate::kernel::machine::instance::{Input, Instance};
use crate::kernel::machine::message::Message;
use crate::kernel::payload::Payload;
use crate::kernel::stored::{InstanceKey, StoreResult};
use crate::kernel::time::Timestamp;
use crate::lock::Lock;
use crate::store::payload_store::PayloadStore;
use crate::worker::host::Host;
use crate::worker::residents::{Resident, Residents};
use crate::worker::retired::Retired;
use crate::worker::services::backlog::Backlog;
use crate::worker::services::clock::Clock;
use crate::worker::services::inbox::Inbox;
use crate::worker::services::retention::Ended;
use crate::worker::services::waiting::Waiter;
use crate::worker::services::watchers::Watchers;

/// A batch on its way to the store.
pub(super) type Writing = oneshot::Receiver<Result<Applied, Box<Refused>>>;

pub(crate) struct Shard {
    pub(super) host: Arc<Host>,
    pub(super) store: PayloadStore,
    pub(super) epoch: Epoch,
    pub(super) residents: Residents,
    pub(super) clock: Arc<Clock>,
    pub(super) backlog: Arc<Backlog>,
    pub(super) inbox: Inbox,
    pub(super) waiters: Lock<HashMap<Arc<str>, Vec<Waiter>>>,
    /// Those who wait for the first turn of an instance.
    pub(super) starts: Lock<HashMap<Arc<str>, Vec<oneshot::Sender<()>>>>,
    pub(super) watchers: Arc<Watchers>,
    pub(super) retained: Option<Arc<Ended>>,
    pub(super) retired: Arc<Retired>,
    /// A machine has come to rest, or has left.
    pub(super) settled: Notify,
    pub(super) stopped: AtomicBool,
    /// Why it has stopped, if its store has failed for good.
    pub(super) failed: OnceLock<RuntimeError>,
}

impl Shard {
    pub(crate) fn now(&self) -> Timestamp {
        self.host.time.now()
    }

    /// Delivers a message and answers when it is durable.
    pub(crate) async fn send(self: &Arc<Self>, id: &str, event: Event) -> StoreResult<()> {
        self.check_running()?;
        let (ack, answer) = futures::channel::oneshot::channel();
        self.route(&id.into(), Message { ack: Some(ack), ..Message::of(event) });
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))
    }

    /// Delivers a message to an instance, which is loaded if it is not. May be called from anywhere: what it causes runs in tasks of its own.
    pub(crate) fn route(self: &Arc<Self>, id: &Arc<str>, message: Message) {
        if instance_id::is_entity(id) {
            return self.route_to_entity(id, message);
        }
        if let Err(stopped) = self.check_running() {
            return message.refuse(stopped);
        }
        let (instance, is_new) = self.instance(id);
        let effects = self.step(&instance, Input::Deliver(message));
        self.follow(&instance, effects, is_new);
    }

    /// An instance in memory, and whether it was put there just now.
    pub(super) fn instance(self: &Arc<Self>, id: &Arc<str>) -> (Arc<Resident<Instance>>, bool) {
        let limited = self.host.places.are_limited();
        self.residents.instances.get_or_insert(id, || Resident::new(id, self, Instance::unloaded(id.clone(), limited)))
    }

    /// Takes up an instance that has something to do.
    pub(crate) fn wake(self: &Arc<Self>, id: &Arc<str>) {
        self.route(id, Message::nudge());
    }

    /// Whether one more instance may be loaded.
    pub(super) fn has_room(&self) -> bool {
        self.residents.room().0 > 0
    }

    /// Evicts the longest idle instances while too many are loaded.
    pub(super) fn trim(self: &Arc<Self>) {
        while let Some(longest) = self.residents.next_to_go() {
            self.tell(&longest, Input::Evict);
        }
    }

    /// Applies a batch of this worker.
    pub(super) async fn apply(self: &Arc<Self>, batch: Batch) -> StoreResult<Applied> {
        self.apply_once(batch).await.map_err(|refused| refused.error)
    }

    /// The same; a batch that was refused is given back.
    pub(super) async fn apply_once(self: &Arc<Self>, batch: Batch) -> Result<Applied, Box<Refused>> {
        self.written(self.send_batch(batch).await)
    }

    /// Sends a batch of this worker to the store. It is on its way, behind those that were sent before, when this returns.
    pub(super) fn send_batch(&self, batch: Batch) -> Writing {
        let (sender, answer) = oneshot::channel();
        let batch = Batch { epoch: Some(self.epoch), ..batch };
        self.store.apply(batch, Box::new(move |result| drop(sender.send(result))));
        answer
    }

    /// What the store has answered; a store that is gone answers nothing.
    pub(super) fn written(
        &self,
        answer: Result<Result<Applied, Box<Refused>>, oneshot::error::RecvError>,
    ) -> Result<Applied, Box<Refused>> {
        let lost = |_| Err(Box::new(Refused { error: self.stopped_by(), batch: Batch::default() }));
        answer.unwrap_or_else(lost)
    }
}

/// Attempts of activities go to the instance that has called them.
impl Sink for Resident<Instance> {
    fn instance(&self) -> &Arc<str> {
        &self.id
    }

    fn ended(
        self: Arc<Self>,
        call: CallId,
        last_heartbeat: Option<Payload>,
        event: Option<Event>,
    ) -> Option<BoxFuture<'static, ()>> {
        self.stops(call);
        let shard = self.shard.upgrade()?;
        let input = self.machine.lock().keeps_end(call, last_heartbeat, event)?;
        let next = shard.tell_here(&self, input)?;
        Some(Box::pin(shard.drive(self, next)))
    }

    fn heartbeat(&self, instance: InstanceKey, call: CallId, details: Option<Payload>) {
        if let Some(shard) = self.shard.upgrade() {
            let heartbeats = vec![Heartbeat { instance, call, details }];
            shard.store.apply(Batch { epoch: Some(shard.epoch), heartbeats, ..Batch::default() }, Box::new(|_| {}));
        }
    }
}

impl Shard {
    /// An entity in memory, and whether it was put there just now.
    pub(super) fn entity(self: &Arc<Self>, id: &Arc<str>) -> (Arc<Resident<Entity>>, bool) {
        self.residents.entities.get_or_insert(id, || Resident::new(id, self, Entity::unloaded(id.clone())))
    }
}
