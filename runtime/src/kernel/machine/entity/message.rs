//! What is brought to an entity, and what of it may pass a lock.

use futures::channel::oneshot;

use crate::kernel::engine::event::{Caller, EntityLock, Event};
use crate::kernel::error::RuntimeError;
use crate::kernel::function::Recorded;
use crate::kernel::stored::{InstanceKey, StoreResult};

/// The answer to a client that asked for an operation, once what it did is durable.
pub(crate) type Reply = oneshot::Sender<StoreResult<Recorded>>;

/// What a message asks for.
pub(crate) enum Asks {
    /// Something of the history's.
    For(Event),
    /// The purge of the entity, if it is this one.
    ToPurge(InstanceKey),
}

/// Something for an entity.
pub(crate) struct Message {
    pub(crate) asks: Asks,
    /// Its number in the inbox, when it came through the store.
    pub(crate) inbox: Option<i64>,
    pub(crate) reply: Option<Reply>,
}

impl Message {
    /// One that nobody waits for an answer to.
    pub(crate) fn of(event: Event, inbox: Option<i64>) -> Self {
        Self { asks: Asks::For(event), inbox, reply: None }
    }

    pub(crate) fn refuse(self, error: RuntimeError) {
        if let Some(reply) = self.reply {
            let _ = reply.send(Err(error));
        }
    }

    /// Whether a client waits until it is durable, and for no more.
    pub(super) fn is_told_when_kept(&self) -> bool {
        self.reply.is_some() && matches!(self.asks, Asks::For(Event::EntityOperationSignaled { .. }))
    }

    pub(super) fn is_purge(&self) -> bool {
        matches!(self.asks, Asks::ToPurge(_))
    }

    /// Whether it may be done under a lock: what its holder asks for, and the end of a lock, held or waited for. A purge comes after all.
    pub(super) fn passes(&self, lock: Option<&EntityLock>) -> bool {
        let (event, lock) = match (&self.asks, lock) {
            (Asks::ToPurge(_), _) => return false,
            (Asks::For(_), None) => return true,
            (Asks::For(event), Some(lock)) => (event, lock),
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
        matches!(&self.asks, Asks::For(Event::EntityLockRequested { id, caller: Some(caller), .. }) if *id == lock && caller == holder)
    }
}

/// What the holder of a lock would have sent at its end.
pub(crate) fn released(EntityLock { holder, id, entities }: &EntityLock) -> Message {
    let (entities, caller) = (entities.clone(), Some(holder.clone()));
    let event = Event::EntityUnlockSent { id: 0, lock: *id, entities, at: String::new(), caller };
    Message::of(event, None)
}
