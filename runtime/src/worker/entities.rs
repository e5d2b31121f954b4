//! How messages reach entities, and how entities are read.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::channel::oneshot;

use crate::kernel::batch::{Batch, Update};
use crate::kernel::engine::event::{Caller, EntityLock, Event};
use crate::kernel::error::{ErrorClass, ErrorKind, RuntimeError};
use crate::kernel::function::Recorded;
use crate::kernel::instance_id::entity_name;
use crate::kernel::machine::answers::not_found;
use crate::kernel::machine::code::new_entity;
use crate::kernel::machine::entity::message::{EntityMessage, EntityRequest};
use crate::kernel::machine::entity::operations::Work;
use crate::kernel::machine::entity::{Entity, Found, Input};
use crate::kernel::machine::message::Message;
use crate::kernel::stored::{Instance, State, StoreResult};
use crate::store::{self, End, Lookup, Messages};
use crate::worker::residents::Resident;
use crate::worker::shard::Shard;

impl Shard {
    /// Asks an entity for an operation; answers when what it did is durable.
    pub(crate) async fn operate(self: &Arc<Self>, id: &str, event: Event) -> StoreResult<Recorded> {
        self.ask_entity(id, EntityRequest::Event(event)).await
    }

    /// Takes an entity out of the store when all that was asked of it is done.
    pub(crate) async fn purge_entity(self: &Arc<Self>, entity: &Instance) -> StoreResult<()> {
        self.ask_entity(&entity.id, EntityRequest::Purge(entity.key)).await.map(drop)
    }

    async fn ask_entity(self: &Arc<Self>, id: &str, request: EntityRequest) -> StoreResult<Recorded> {
        let (reply, answer) = oneshot::channel();
        self.tell_entity(&id.into(), EntityMessage { request, inbox: None, reply: Some(reply) });
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))
    }

    /// Delivers a message to an entity, which is loaded if it is not.
    pub(super) fn tell_entity(self: &Arc<Self>, id: &Arc<str>, message: EntityMessage) {
        if let Err(stopped) = self.check_running() {
            return message.refuse(stopped);
        }
        let (entity, is_new) = self.entity(id);
        let effects = entity.machine.lock().step(self.now(), Input::Deliver(message));
        self.follow_entity(&entity, effects, is_new);
    }

    /// A message that is for an entity by its id, though it may be none that an entity takes.
    pub(super) fn route_to_entity(self: &Arc<Self>, id: &Arc<str>, message: Message) {
        let Message { event, inbox, ack, .. } = message;
        if let Some(ack) = ack {
            let _ = ack.send(Err(is_entity(id)));
        } else if let Some(event) = event {
            self.tell_entity(id, EntityMessage::of(event, inbox));
        }
    }

    /// Reads the state of an entity, and what waits for it. One that is not in the store is put there.
    pub(super) async fn load_entity(self: &Arc<Self>, entity: &Arc<Resident<Entity>>) -> Input {
        let error = match self.patiently("load an entity", || self.read_entity(entity)).await {
            Ok(found) => return Input::Loaded(Box::new(found)),
            Err(error) => error,
        };
        if !error.is_not_found() && error.class() == ErrorClass::Permanent {
            tracing::error!(entity = %entity.id, %error, "failed to load an entity; its messages stay in the inbox");
            self.say_why(&entity.id, &error).await;
        }
        Input::NotLoaded(error)
    }

    /// Says in the status of the entity why it cannot be loaded.
    async fn say_why(self: &Arc<Self>, id: &str, error: &RuntimeError) {
        let report = format!("{CANNOT_LOAD}: {error}");
        let said = match self.store.find(Lookup::Id(id.to_owned())).await {
            Ok(Some(found)) if found.state.report.as_deref() != Some(&report) => {
                self.apply(reporting(found, Some(report))).await.map(drop)
            }
            found => found.map(drop),
        };
        if let Err(error) = said {
            tracing::warn!(entity = id, %error, "failed to write why an entity cannot be loaded");
        }
    }

    async fn read_entity(self: &Arc<Self>, entity: &Arc<Resident<Entity>>) -> StoreResult<Found> {
        let id = &entity.id;
        let name = entity_name(id);
        let registration = *self.host.registry.entity(name).ok_or_else(|| {
            let message = format!("no entity named `{name}` is registered in this process; start a build that has it");
            RuntimeError::new(ErrorKind::Invalid, message)
        })?;
        let lookup = || self.store.load(Lookup::Id(id.to_string()));
        let stored = match lookup().await? {
            Some(stored) => stored,
            None if !entity.machine.lock().creates() => return Err(not_found(id)),
            None => {
                self.apply(Batch { children: vec![new_entity(id, self.now())], ..Batch::default() }).await?;
                lookup().await?.ok_or_else(|| not_found(id))?
            }
        };
        let mut messages = Vec::new();
        for store::StoredMessage { number, event, .. } in self.store.messages(Messages::Of(stored.instance.key)).await? {
            let event = event.map_err(|error| {
                let message = format!("a message for `{id}` cannot be decoded");
                RuntimeError::new(ErrorKind::Unreadable, message).caused_by(&error)
            })?;
            messages.push((number, event));
        }
        let event = stored.history.into_iter().flat_map(|turn| turn.events).next_back();
        let Some(Event::EntityState { state, lock }) = event else {
            return Err(RuntimeError::new(ErrorKind::Invalid, format!("`{id}` has the history of no entity")));
        };
        let values = self.store.payloads().values();
        let live = registration.open(state.as_ref()).map_err(|failure| {
            let message = format!("the state of the entity `{name}` cannot be read: {}", values.told(failure));
            RuntimeError::new(ErrorKind::Invalid, message)
        })?;
        if stored.instance.state.report.as_ref().is_some_and(|report| report.starts_with(CANNOT_LOAD)) {
            self.apply(reporting(stored.instance.clone(), None)).await?;
        }
        let work = Work { registration, live: Some(live), state, lock, mailbox: VecDeque::new() };
        Ok(Found { key: stored.instance.key, work, messages })
    }

    /// Gives the lock back if its holder has ended.
    pub(super) fn check_holder(self: &Arc<Self>, entity: &Arc<Resident<Entity>>, lock: EntityLock) {
        let (shard, entity) = (self.clone(), entity.clone());
        self.host.spawn(async move {
            match shard.patiently("look for the holder of a lock", || shard.has_ended(&lock.holder)).await {
                Ok(true) => shard.tell_resident(&entity, Input::HolderEnded(lock)),
                Ok(false) => {}
                Err(error) if error.class() == ErrorClass::Permanent => {
                    tracing::error!(entity = %entity.id, %error, "failed to look for the holder of a lock; it stays locked");
                }
                Err(_) => {}
            }
        });
    }

    /// Whether a run has ended, or another has its id.
    async fn has_ended(&self, caller: &Caller) -> StoreResult<bool> {
        let found = self.store.find(Lookup::Id(caller.instance.clone())).await?;
        let Some(found) = found.filter(|found| !found.state.status.is_terminal()) else { return Ok(true) };
        // A run, and each execution of it, is told by the time of its first turn.
        let first = self.store.closed_turn(found.key, End::First).await?;
        Ok(first.is_none_or(|first| first.at != caller.run))
    }

    /// Gives back the locks of a run that ended while it was set aside.
    pub(super) fn release_locks(self: &Arc<Self>, id: &str) {
        for entity in self.residents.entities.all() {
            let held = entity.machine.lock().held_by(id);
            if let Some(lock) = held {
                self.check_holder(&entity, lock);
            }
        }
    }
}

/// How the report of an entity begins that cannot be loaded. It goes when the entity can be.
const CANNOT_LOAD: &str = "the entity cannot be loaded, and its messages are kept until it can";

/// Gives an entity another report.
fn reporting(found: Instance, report: Option<String>) -> Batch {
    let update = Update { instance: found.key, state: State { report, ..found.state } };
    Batch { update: Some(update), ..Batch::default() }
}

/// What somebody is told who takes an entity for an orchestration.
pub(crate) fn is_entity(id: &str) -> RuntimeError {
    let message = format!("`{id}` is an entity, not an orchestration; call or signal it instead");
    RuntimeError::new(ErrorKind::Invalid, message)
}
