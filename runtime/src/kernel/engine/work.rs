//! What the calls of an orchestrator ask for.

use crate::kernel::engine::event::{CallId, Caller, Event};
use crate::kernel::failure::Failure;
use crate::kernel::function::Options;
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;

/// What has to happen for a call to have an outcome.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Activity {
        name: &'static str,
        input: Payload,
        attempts: Attempts,
        not_before: Option<Timestamp>,
    },
    Timer {
        fire_at: Timestamp,
    },
    /// Nobody waits for one without attempts.
    Child {
        name: &'static str,
        input: Payload,
        instance: String,
        attempts: Option<Attempts>,
    },
    SideEffect {
        result: Payload,
    },
    Entity(EntityWork),
}

impl Work {
    /// How the call is recorded.
    pub(crate) fn event(&self, id: CallId, at: String) -> Event {
        match self {
            Self::Activity { name, input, .. } => Event::TaskScheduled { id, name: (*name).into(), input: input.clone(), at },
            Self::Timer { fire_at } => Event::TimerCreated { id, fire_at: *fire_at, at },
            Self::Child { name, input, instance, attempts } => Event::SubOrchestrationInstanceCreated {
                id,
                name: (*name).into(),
                instance: instance.clone(),
                input: input.clone(),
                at,
                detached: attempts.is_none(),
            },
            Self::SideEffect { result } => Event::SideEffect { id, result: result.clone(), at },
            Self::Entity(work) => work.event(id, at, None),
        }
    }
}

/// The attempts of a call.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    pub(crate) options: Options,
    /// The number of the attempt that is under way or next, 1 for the first.
    pub(crate) number: u32,
    /// When the call was made.
    pub(crate) since: Timestamp,
}

impl Attempts {
    /// When to try again after the attempt has failed, if at all.
    pub(crate) fn again(&self, instance: &str, call: CallId, failure: &Failure, now: Timestamp) -> Option<Timestamp> {
        if !self.options.retries(failure) {
            return None;
        }
        let name = format!("{instance}\n{call}\n{}", self.number);
        let (high, _) = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).as_u64_pair();
        let chance = (high >> 11) as f64 / (1_u64 << 53) as f64;
        let asked = failure.asked_wait().unwrap_or_default();
        self.options.retry.delay_of(self.number, now.since(self.since), chance, asked).map(|delay| now.after(delay))
    }
}

/// A call made during a poll and not yet recorded.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: CallId,
    pub(crate) work: Work,
    pub(crate) at: String,
}

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
}
