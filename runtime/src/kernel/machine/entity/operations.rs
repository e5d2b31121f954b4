//! The job of an entity: what each message does to its state and its lock, and what has to leave with it. It runs the user's code.

use std::collections::VecDeque;

use crate::kernel::engine::event::{Caller, EntityLock, Event};
use crate::kernel::engine::work::EntityWork;
use crate::kernel::entity::{DELETE, EntityRegistration, Live, Operated};
use crate::kernel::function::Recorded;
use crate::kernel::machine::entity::message::{EntityMessage, EntityRequest, Reply};
use crate::kernel::payload::{Payload, Values};
use crate::kernel::stored::InstanceKey;

/// What operations work on.
pub(crate) struct Work {
    pub(crate) registration: EntityRegistration,
    /// The state in memory; read from its recorded form when it is not there.
    pub(crate) live: Option<Live>,
    pub(crate) state: Option<Payload>,
    pub(crate) lock: Option<EntityLock>,
    pub(crate) mailbox: VecDeque<EntityMessage>,
}

/// What the operations of a turn have brought about.
#[derive(Default)]
pub(crate) struct Worked {
    pub(super) changed: bool,
    /// Whether the lock was given to somebody.
    pub(super) granted: bool,
    /// Answers to orchestrations.
    pub(super) answers: Vec<(String, Event)>,
    /// Messages for other entities.
    pub(super) messages: Vec<(String, Event)>,
    pub(super) replies: Vec<(Reply, Recorded)>,
    pub(super) consume: Vec<i64>,
    /// A signal that cannot be read, and why.
    pub(super) unreadable: Option<(String, String)>,
}

impl Worked {
    pub(super) fn is_empty(&self) -> bool {
        !self.changed && self.answers.is_empty() && self.messages.is_empty() && self.replies.is_empty() && self.consume.is_empty()
    }
}

impl Work {
    /// Deals with all messages that may pass the lock.
    pub(crate) fn run(&mut self, own: &str, values: Values) -> Worked {
        let mut effects = Worked::default();
        let mut next = 0;
        while let Some(message) = self.mailbox.get(next) {
            if !message.passes(self.lock.as_ref()) {
                next += 1;
                continue;
            }
            let Some(message) = self.mailbox.remove(next) else { break };
            effects.consume.extend(message.inbox);
            if self.perform(own, message, values, &mut effects) {
                next = 0;
            }
        }
        effects
    }

    /// The first request to purge the entity: which one is meant, and who asks.
    pub(super) fn take_purge(&mut self) -> Option<(InstanceKey, Option<Reply>)> {
        let at = self.mailbox.iter().position(EntityMessage::is_purge)?;
        match self.mailbox.remove(at)? {
            EntityMessage { request: EntityRequest::Purge(key), reply, .. } => Some((key, reply)),
            EntityMessage { .. } => None,
        }
    }

    /// Does what a message asks for. Whether it has let others pass that had to wait.
    fn perform(&mut self, own: &str, message: EntityMessage, values: Values, effects: &mut Worked) -> bool {
        let EntityRequest::Event(event) = message.request else { return false };
        match event {
            Event::EntityOperationCalled { id, operation, input, caller, .. } => {
                let outcome = self.operate(&operation, &input, effects);
                if let Some(Caller { instance, run }) = caller {
                    let answer = match outcome.clone() {
                        Ok(result) => Event::EntityOperationCompleted { id, result, run },
                        Err(failure) => Event::EntityOperationFailed { id, failure, run },
                    };
                    effects.answers.push((instance, answer));
                }
                effects.replies.extend(message.reply.map(|reply| (reply, outcome)));
            }
            Event::EntityOperationSignaled { operation, input, .. } => {
                if let Err(failure) = self.operate(&operation, &input, effects) {
                    match self.registration.refuses(&operation, &input) {
                        Some(failure) => effects.unreadable = Some((operation.into_owned(), values.told(&failure))),
                        None => {
                            let failure = values.told(&failure);
                            tracing::warn!(entity = own, %operation, failure, "a signalled operation failed; the state is as it was before");
                        }
                    }
                }
                effects.replies.extend(message.reply.map(|reply| (reply, Ok(Payload::null()))));
            }
            Event::EntityLockRequested { id, entities, at, caller: Some(holder) } => {
                self.lock = Some(EntityLock { holder: holder.clone(), id, entities: entities.clone() });
                (effects.changed, effects.granted) = (true, true);
                match following(own, &entities) {
                    Some(next) => {
                        effects.messages.push((next, Event::EntityLockRequested { id, entities, at, caller: Some(holder) }));
                    }
                    None => effects.answers.push((holder.instance, Event::EntityLockGranted { id, run: holder.run })),
                }
            }
            Event::EntityUnlockSent { id, lock, entities, at, caller: Some(holder) } => {
                if self.lock.take_if(|held| held.holder == holder && held.id == lock).is_some() {
                    effects.changed = true;
                    let next = following(own, &entities);
                    let message = Event::EntityUnlockSent { id, lock, entities, at, caller: Some(holder) };
                    effects.messages.extend(next.map(|next| (next, message)));
                    return true;
                }
                // It has not come so far; without its request it comes no further.
                if let Some(index) = self.mailbox.iter().position(|message| message.asks_for(&holder, lock)) {
                    effects.consume.extend(self.mailbox.remove(index).and_then(|request| request.inbox));
                    return true;
                }
            }
            _ => {}
        }
        false
    }

    /// Runs an operation. One that fails leaves everything as it was.
    fn operate(&mut self, operation: &str, input: &Payload, effects: &mut Worked) -> Recorded {
        let registration = self.registration;
        if registration.changes(operation).is_none() {
            if operation != DELETE {
                return Err(registration.unknown(operation));
            }
            (self.state, self.live) = (None, None);
            effects.changed = true;
            return Ok(Payload::null());
        }
        let mut live = match self.live.take() {
            Some(live) => live,
            None => registration
                .open(self.state.as_ref())
                .map_err(|failure| failure.context(format!("the state of the entity `{}` cannot be read", registration.name)))?,
        };
        // The state in memory is given up with an operation that fails.
        let Operated { result, state, signals } = live.operate(&registration, operation, input)?;
        if let Some(state) = state {
            self.state = Some(state);
            effects.changed = true;
        }
        self.live = Some(live);
        effects.messages.extend(signals.into_iter().map(|signal| {
            let entity = signal.entity.clone();
            (entity, EntityWork::Signal(signal).event(0, String::new(), None))
        }));
        Ok(result)
    }
}

/// The entity that a lock is asked of after this one.
fn following(own: &str, entities: &[String]) -> Option<String> {
    entities.iter().skip_while(|entity| *entity != own).nth(1).cloned()
}
