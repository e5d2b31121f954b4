//! What an orchestrator asks of entities: calls, signals, and the lock of a critical section.
//!
//! Invariant: an orchestration holds or asks for one lock at a time, and waits for nothing that could wait for that lock.

use std::panic::Location;

use crate::kernel::engine::event::{CallId, Caller, Event};
use crate::kernel::engine::scope::{Call, Scope, place};
use crate::kernel::engine::work::{Command, Work};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::{Payload, Values};

/// Something for an entity.
#[derive(Clone, Debug)]
pub(crate) enum EntityWork {
    Call(Operation),
    Signal(Operation),
    Lock { entities: Vec<String> },
    Unlock { lock: CallId, entities: Vec<String> },
}

/// An operation of an entity with its recorded arguments.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The instance id of the entity.
    pub(crate) entity: String,
    pub(crate) name: &'static str,
    pub(crate) input: Payload,
}

/// The lock that an orchestration holds or waits for.
pub(crate) struct Held {
    id: CallId,
    entities: Vec<String>,
    site: &'static Location<'static>,
}

impl EntityWork {
    /// How it is recorded, and, with a caller, what the entity is told.
    pub(crate) fn event(&self, id: CallId, at: String, caller: Option<Caller>) -> Event {
        match self.clone() {
            Self::Call(Operation { entity, name, input }) => {
                Event::EntityOperationCalled { id, entity, operation: name.into(), input, at, caller }
            }
            Self::Signal(Operation { entity, name, input }) => {
                Event::EntityOperationSignaled { id, entity, operation: name.into(), input, at, caller }
            }
            Self::Lock { entities } => Event::EntityLockRequested { id, entities, at, caller },
            Self::Unlock { lock, entities } => Event::EntityUnlockSent { id, lock, entities, at, caller },
        }
    }

    /// The instance id of the entity that is told. A lock and its end go from one entity to the next.
    pub(crate) fn receiver(&self) -> &str {
        match self {
            Self::Call(operation) | Self::Signal(operation) => &operation.entity,
            Self::Lock { entities } | Self::Unlock { entities, .. } => entities.first().map_or("", String::as_str),
        }
    }

    /// Whether the orchestrator waits for an answer.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Lock { .. })
    }

    /// The recorded inputs and those of now, if both have some, when it is what was recorded under the number `now` but for them.
    pub(crate) fn inputs_of_same<'a>(&'a self, now: CallId, recorded: &'a Event) -> Option<Option<(&'a Payload, &'a Payload)>> {
        match (self, recorded) {
            (Self::Call(work), Event::EntityOperationCalled { id, entity, operation, input, .. })
            | (Self::Signal(work), Event::EntityOperationSignaled { id, entity, operation, input, .. }) => {
                ((now, &work.entity, work.name) == (*id, entity, operation)).then_some(Some((input, &work.input)))
            }
            (Self::Lock { entities }, Event::EntityLockRequested { id, entities: recorded, .. }) => {
                (now == *id && entities == recorded).then_some(None)
            }
            (Self::Unlock { lock, .. }, Event::EntityUnlockSent { id, lock: recorded, .. }) => {
                (now == *id && lock == recorded).then_some(None)
            }
            _ => None,
        }
    }

    /// What a report calls it.
    pub(crate) fn describe(&self, id: CallId, at: &str, values: Values) -> String {
        match self {
            Self::Call(Operation { entity, name, input }) => {
                format!("call {id} of `{name}` of the entity `{entity}` with {} at {at}", values.excerpt(input))
            }
            Self::Signal(Operation { entity, name, input }) => {
                format!("signal {id} of `{name}` to the entity `{entity}` with {} at {at}", values.excerpt(input))
            }
            Self::Lock { entities } => format!("call {id}, the lock of {} at {at}", entities.join(", ")),
            Self::Unlock { lock, .. } => format!("call {id}, the end of the lock of call {lock} at {at}"),
        }
    }
}

impl Scope {
    /// This run, as an entity knows it.
    pub(crate) fn caller(&self) -> Caller {
        Caller { instance: self.instance.to_string(), run: self.started_at }
    }

    pub(crate) fn call_entity(&mut self, operation: Result<Operation, Failure>, site: &'static Location<'static>) -> Call {
        let operation = operation.and_then(|operation| match &self.lock {
            Some(held) if !held.entities.contains(&operation.entity) => Err(refused(format!(
                "`{}` of the entity `{}` was called in a critical section that has not locked it: two runs that do so can wait for each \
                 other for ever; lock it together with the others, signal it, or drop the guard first",
                operation.name, operation.entity
            ))),
            _ => Ok(operation),
        });
        self.ask(operation.map(EntityWork::Call), site)
    }

    pub(crate) fn signal_entity(&mut self, operation: Result<Operation, Failure>, site: &'static Location<'static>) {
        match operation {
            Ok(operation) => self.tell(EntityWork::Signal(operation), place(site)),
            Err(failure) => {
                self.fatal.get_or_insert(failure);
            }
        }
    }

    /// Asks for a lock of `entities`, which are in the one order that all locks follow.
    pub(crate) fn lock_entities(&mut self, entities: Result<Vec<String>, Failure>, site: &'static Location<'static>) -> Call {
        let entities = entities.and_then(|entities| match &self.lock {
            Some(held) => Err(refused(format!(
                "a lock was asked for while this run holds or waits for one of {}: two runs that do so can wait for each other for ever; \
                 lock all of them at once with `dacapo::lock((a, b))`, or drop the first guard before",
                held.entities.join(", ")
            ))),
            None => Ok(entities),
        });
        let held = entities.as_ref().ok().cloned();
        let call = self.ask(entities.map(|entities| EntityWork::Lock { entities }), site);
        if let Some(entities) = held {
            self.lock = Some(Held { id: call.id(), entities, site });
        }
        call
    }

    /// Ends the critical section of a lock, or the wait for it.
    pub(crate) fn unlock_entities(&mut self, lock: CallId) {
        if let Some(Held { id, entities, site }) = self.lock.take_if(|held| held.id == lock) {
            self.tell(EntityWork::Unlock { lock: id, entities }, place(site));
        }
    }

    /// What releases the lock of a run that has ended.
    pub(crate) fn abandon_lock(&mut self) -> Option<EntityWork> {
        self.lock.take().map(|held| EntityWork::Unlock { lock: held.id, entities: held.entities })
    }

    /// Why a sub-orchestration cannot be awaited now.
    pub(crate) fn forbids_children(&self, name: &str) -> Option<Failure> {
        let held = self.lock.as_ref()?;
        Some(refused(format!(
            "the orchestration `{name}` was awaited in a critical section of {}: if it calls one of them, both wait for ever; \
             drop the guard first, or start it with `.detach()`",
            held.entities.join(", ")
        )))
    }

    fn ask(&mut self, work: Result<EntityWork, Failure>, site: &'static Location<'static>) -> Call {
        let (input, work) = match work {
            Ok(work) => (Ok(Payload::null()), work),
            Err(failure) => (Err(failure), EntityWork::Lock { entities: Vec::new() }),
        };
        self.call(input, |_, _| Work::Entity(work), site)
    }

    fn tell(&mut self, work: EntityWork, at: String) {
        let id = self.next_call();
        self.commands.push_back(Command { id, work: Work::Entity(work), at });
    }
}

fn refused(message: String) -> Failure {
    Failure::new(FailureKind::Forbidden, message).non_retryable()
}
