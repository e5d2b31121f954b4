//! The entities a worker has in memory, and how messages reach them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::kernel::engine::event::{Caller, Event, Turn};
use crate::kernel::engine::execution::Action;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::function::Recorded;
use crate::kernel::instance_id::entity_name;
use crate::store::{self, Applied, Batch, End, Lookup, NewInstance, State, Status, StoreResult, Timestamp};
use crate::worker::entity::Entity;
use crate::worker::letter::{Asks, Message};
use crate::worker::{Worker, message};

/// What a worker knows of entities.
#[derive(Default)]
pub(crate) struct Entities {
    loaded: Mutex<HashMap<Arc<str>, Arc<Entity>>>,
    /// Whether a look into the inbox is about to begin.
    fetching: AtomicBool,
}

impl Entities {
    /// Whoever holds the map locks no entity: an entity looks into the map while it is locked.
    fn loaded(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Entity>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Entity>> {
        self.loaded().values().cloned().collect()
    }
}

impl Worker {
    /// Asks an entity for an operation; answers when what it did is durable.
    pub(crate) async fn operate(self: &Arc<Self>, id: &str, event: Event) -> StoreResult<Recorded> {
        self.ask_entity(id, Asks::For(event)).await
    }

    /// Takes an entity out of the store when all that was asked of it is done.
    pub(crate) async fn purge_entity(self: &Arc<Self>, entity: &store::Instance) -> StoreResult<()> {
        self.ask_entity(&entity.id, Asks::ToPurge(entity.key)).await.map(drop)
    }

    async fn ask_entity(self: &Arc<Self>, id: &str, asks: Asks) -> StoreResult<Recorded> {
        let (reply, answer) = oneshot::channel();
        self.tell_entity(&id.into(), Message { asks, inbox: None, reply: Some(reply) });
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))
    }

    /// Delivers a message to an entity, which is loaded if it is not.
    pub(crate) fn tell_entity(self: &Arc<Self>, id: &Arc<str>, message: Message) {
        let mut message = message;
        loop {
            if let Err(stopped) = self.check_running() {
                return message.refuse(stopped);
            }
            let (entity, is_new) = match self.entities.loaded().entry(id.clone()) {
                Entry::Occupied(entry) => (entry.get().clone(), false),
                Entry::Vacant(entry) => (entry.insert(Entity::unloaded(id.clone())).clone(), true),
            };
            let delivered = entity.try_deliver(self, message);
            if is_new {
                self.spawn(entity.clone().load(self.clone()));
            }
            match delivered {
                None => return,
                Some(back) => message = back,
            }
            self.forget_entity(&entity);
        }
    }

    /// A message that is for an entity by its id, though it may be none that an entity takes.
    pub(crate) fn route_to_entity(self: &Arc<Self>, id: &Arc<str>, message: message::Message) {
        let message::Message { event, inbox, ack, .. } = message;
        if let Some(ack) = ack {
            let _ = ack.send(Err(is_entity(id)));
        } else if let Some(event) = event {
            self.tell_entity(id, Message { asks: Asks::For(event), inbox, reply: None });
        }
    }

    /// Takes an entity out of the map, if it is the one that is in it.
    pub(crate) fn forget_entity(&self, entity: &Arc<Entity>) {
        let mut loaded = self.entities.loaded();
        if loaded.get(entity.id()).is_some_and(|there| Arc::ptr_eq(there, entity)) {
            loaded.remove(entity.id());
        }
    }

    /// Whether an entity that rests should give way.
    pub(crate) fn has_many_entities(&self) -> bool {
        self.entities.loaded().len() > self.max_loaded
    }

    /// Takes up what was just put into the inbox, however often it is asked to.
    pub(crate) fn fetch_later(self: &Arc<Self>) {
        if !self.entities.fetching.swap(true, Ordering::AcqRel) {
            let worker = self.clone();
            self.spawn(async move { worker.fetch().await });
        }
    }

    async fn fetch(self: &Arc<Self>) {
        let _one_at_a_time = self.scanning.lock().await;
        self.entities.fetching.store(false, Ordering::Release);
        self.take_messages().await;
    }

    /// Whether a run has ended, or another has its id.
    pub(crate) async fn has_ended(&self, caller: &Caller) -> StoreResult<bool> {
        let found = self.store.find(Lookup::Id(caller.instance.clone())).await?;
        let Some(found) = found.filter(|found| !found.state.status.is_terminal()) else { return Ok(true) };
        // A run, and each generation of it, is told by the time of its first turn.
        let first = self.store.closed_turn(found.key, End::First).await?;
        Ok(first.is_none_or(|first| first.at != caller.run))
    }

    /// Gives back the locks of a run that ended while it was set aside.
    pub(crate) fn release_locks(self: &Arc<Self>, id: &str) {
        self.entities.all().into_iter().filter(|entity| entity.is_held_by(id)).for_each(|entity| entity.check_holder(self));
    }

    /// Applies a batch of this worker.
    pub(crate) async fn apply(&self, batch: Batch) -> StoreResult<Applied> {
        let (sender, answer) = oneshot::channel();
        let batch = Batch { epoch: Some(self.epoch), ..batch };
        self.store.apply(batch, Box::new(move |result| drop(sender.send(result.map_err(|refused| refused.error)))));
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))
    }
}

/// Adds to a batch what its actions have for entities.
pub(crate) fn address(now: Timestamp, actions: &[Action], children: &mut Vec<NewInstance>, tell: &mut Vec<(String, Event)>) {
    let told = actions.iter().filter_map(|action| match action {
        Action::TellEntity { work, message, .. } => Some((work.receiver().to_owned(), message.clone())),
        _ => None,
    });
    let (new, messages) = letters(now, told.collect());
    children.extend(new);
    tell.extend(messages);
}

/// What a batch needs to bring messages to entities: those that may not be there, and the messages. One that is in memory may have
/// been purged before the batch is applied, so none is left out.
pub(crate) fn letters(now: Timestamp, messages: Vec<(String, Event)>) -> (Vec<NewInstance>, Vec<(String, Event)>) {
    let mut ids: Vec<_> = messages.iter().map(|(id, _)| id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    (ids.into_iter().map(|id| new_entity(id, now)).collect(), messages)
}

/// An entity that nobody has asked for anything yet.
pub(crate) fn new_entity(id: &str, now: Timestamp) -> NewInstance {
    let turn = Turn { at: now, events: vec![Event::EntityState { state: None, lock: None }] };
    let state = State { status: Status::Running, busy: false, ..State::pending() };
    let name = entity_name(id).to_owned();
    NewInstance { id: id.to_owned(), name, parent: None, created_at: now, turn, state, tags: std::collections::BTreeMap::new() }
}

/// What somebody is told who takes an entity for an orchestration.
pub(crate) fn is_entity(id: &str) -> RuntimeError {
    let message = format!(
        "nothing was done to `{id}`: it is an entity, not an orchestration; entities are called and signalled, and deleted by \
         their operation `delete`"
    );
    RuntimeError::new(ErrorKind::Invalid, message)
}
