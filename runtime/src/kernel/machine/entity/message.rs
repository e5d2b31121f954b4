//! What is brought to an entity, and what of it may pass a lock.

use futures::channel::oneshot;

use crate::kernel::engine::event::{Caller, EntityLock, Event};
use crate::kernel::error::RuntimeError;
use crate::kernel::function::Recorded;
use crate::kernel::stored::{InstanceKey, StoreResult};

/// The answer to a client that asked for an operation, once what it did is durable.
pub(crate) type Reply = oneshot::Sender<StoreResult<Recorded>>;

/// What a message asks for.
pub(crate) enum EntityRequest {
    /// Something of the history's.
    Event(Event),
    /// The purge of the entity, if it is this one.
    Purge(InstanceKey),
}

/// Something for an entity.
pub(crate) struct EntityMessage {
    pub(crate) request: EntityRequest,
    /// Its number in the inbox, when it came through the store.
    pub(crate) inbox: Option<i64>,
    pub(crate) reply: Option<Reply>,
}

impl EntityMessage {
    /// One that nobody waits for an answer to.
    pub(crate) fn of(event: Event, inbox: Option<i64>) -> Self {
        Self { request: EntityRequest::Event(event), inbox, reply: None }
    }

    pub(crate) fn refuse(self, error: RuntimeError) {
        if let Some(reply) = self.reply {
            let _ = reply.send(Err(error));
        }
    }

    /// Whether a client waits until it is durable, and for no more.
    pub(super) fn is_told_when_kept(&self) -> bool {
        self.reply.is_some() && matches!(self.request, EntityRequest::Event(Event::EntityOperationSignaled { .. }))
    }

    pub(super) fn is_purge(&self) -> bool {
        matches!(self.request, EntityRequest::Purge(_))
    }

    /// Whether it may be done under a lock: what its holder asks for, and the end of a lock, held or waited for. A purge comes after all.
    pub(super) fn passes(&self, lock: Option<&EntityLock>) -> bool {
        let (event, lock) = match (&self.request, lock) {
            (EntityRequest::Purge(_), _) => return false,
            (EntityRequest::Event(_), None) => return true,
            (EntityRequest::Event(event), Some(lock)) => (event, lock),
        };
        match event {
            Event::EntityOperationCalled { caller, .. } | Event::EntityOperationSignaled { caller, .. } => {
                caller.as_ref() == Some(&lock.holder)
            }
            Event::EntityLockRequested { .. } => false,
            _ => true,
        }
    }

    /// Whether it asks for the lock of a call.
    pub(super) fn asks_for(&self, holder: &Caller, lock: u64) -> bool {
        match &self.request {
            EntityRequest::Event(Event::EntityLockRequested { id, caller: Some(caller), .. }) => *id == lock && caller == holder,
            _ => false,
        }
    }
}

/// What the holder of a lock would have sent at its end.
pub(crate) fn released(EntityLock { holder, id, entities }: &EntityLock) -> EntityMessage {
    let (entities, caller) = (entities.clone(), Some(holder.clone()));
    let event = Event::EntityUnlockSent { id: 0, lock: *id, entities, at: String::new(), caller };
    EntityMessage::of(event, None)
}
