//! What an orchestrator asks of entities: calls, signals, and the lock of a critical section.
//!
//! Invariant: an orchestration holds or asks for one lock at a time, and waits for nothing that could wait for that lock.

use std::panic::Location;

use crate::kernel::engine::event::{CallId, Caller};
use crate::kernel::engine::scope::call::Call;
use crate::kernel::engine::scope::place::place;
use crate::kernel::engine::scope::state::{Held, Scope};
use crate::kernel::engine::work::{Command, EntityWork, Operation, Work};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::Payload;

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
        self.call(input, |_| Work::Entity(work), site)
    }

    fn tell(&mut self, work: EntityWork, at: String) {
        let id = self.next_call();
        self.commands.push_back(Command { id, work: Work::Entity(work), at });
    }
}

fn refused(message: String) -> Failure {
    Failure::new(FailureKind::Forbidden, message).non_retryable()
}
