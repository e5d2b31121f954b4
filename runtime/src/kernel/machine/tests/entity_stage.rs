//! Steps the machine of one entity, as [`stage`](super::stage) does that of an orchestration.

use std::collections::VecDeque;

use futures::channel::oneshot;

use crate::kernel::batch::{Applied, Batch};
use crate::kernel::engine::event::{CallId, Caller, EntityLock, Event};
use crate::kernel::entity::EntityRegistration;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::function::Recorded;
use crate::kernel::machine::entity::message::{EntityMessage, EntityRequest};
use crate::kernel::machine::entity::operations::Work;
use crate::kernel::machine::entity::{Effects, Entity, Found, Input, Next};
use crate::kernel::machine::tests::events::json;
use crate::kernel::machine::tests::functions::Tally;
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Answer;
use crate::kernel::payload::{Payload, Values};
use crate::kernel::stored::InstanceKey;

/// The id of the entity.
pub(super) const ID: &str = "@tally@a";
/// Its key.
pub(super) const KEY: InstanceKey = 9;

/// What a machine asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Work,
    Load,
    Operate,
    Commit,
}

/// What has left a machine.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) steps: Vec<Step>,
    pub(super) commits: Vec<Batch>,
    pub(super) looked_at: Vec<EntityLock>,
    pub(super) sent: Vec<EntityMessage>,
    pub(super) wrote_messages: bool,
    pub(super) rests: bool,
    pub(super) gone: bool,
    pub(super) retired: usize,
}

impl Seen {
    /// The one commit.
    pub(super) fn batch(&self) -> &Batch {
        let [batch] = &self.commits[..] else { panic!("{} commits", self.commits.len()) };
        batch
    }
}

/// A machine, and what a store keeps of the entity.
pub(super) struct EntityStage {
    machine: Entity,
    pub(super) state: Option<Payload>,
    pub(super) lock: Option<EntityLock>,
    pub(super) report: Option<String>,
    /// What waits for it, with its numbers.
    pub(super) inbox: Vec<(i64, Event)>,
    last_number: i64,
    /// Why the next commits are refused.
    pub(super) refusals: VecDeque<ErrorKind>,
    next: Option<Next>,
}

impl EntityStage {
    /// One that is not read yet.
    pub(super) fn unloaded() -> Self {
        Self {
            machine: Entity::unloaded(ID.into()),
            state: None,
            lock: None,
            report: None,
            inbox: Vec::new(),
            last_number: 0,
            refusals: VecDeque::new(),
            next: None,
        }
    }

    /// One that rests with this sum.
    pub(super) fn with(sum: u32) -> Self {
        let mut entity = Self::unloaded();
        entity.state = Some(json(serde_json::json!({ "sum": sum })));
        let (read, _answer) = asks(called(1, "get", ()));
        entity.wake(read);
        entity
    }

    /// What is stored of its state.
    pub(super) fn sum(&self) -> Option<u32> {
        self.state
            .as_ref()
            .map(|state| state.decode::<serde_json::Value>().expect("it is JSON")["sum"].as_u64().expect("a number") as u32)
    }

    /// Its process has ended, or it was evicted.
    pub(super) fn crash(&mut self) {
        (self.machine, self.next) = (Entity::unloaded(ID.into()), None);
    }

    /// Brings something to a machine that was not read yet, and reads it.
    pub(super) fn wake(&mut self, input: Input) -> Seen {
        self.wake_until(None, input)
    }

    pub(super) fn wake_until(&mut self, stop: impl Into<Option<Step>>, input: Input) -> Seen {
        let mut seen = Seen::default();
        self.step(input, &mut seen);
        assert!(self.next.is_none(), "it is not read yet");
        self.next = Some(Next::Load);
        self.drive(stop.into(), &mut seen);
        seen
    }

    /// Brings an input, and does what the machine asks for, unless it is busy with something already.
    pub(super) fn tell(&mut self, input: Input) -> Seen {
        self.until(None, input)
    }

    /// The same, until it asks for this.
    pub(super) fn until(&mut self, stop: impl Into<Option<Step>>, input: Input) -> Seen {
        let mut seen = Seen::default();
        let is_busy = self.next.is_some();
        self.step(input, &mut seen);
        if !is_busy {
            self.drive(stop.into(), &mut seen);
        }
        seen
    }

    /// Does what the machine has asked for, and goes on.
    pub(super) fn go_on(&mut self) -> Seen {
        let next = self.next.take().expect("something is asked for");
        let input = self.answer_to(next);
        self.answer_with(input)
    }

    /// Answers what the machine has asked for with this, and goes on.
    pub(super) fn answer(&mut self, input: Input) -> Seen {
        drop(self.next.take().expect("something is asked for"));
        self.answer_with(input)
    }

    fn answer_with(&mut self, input: Input) -> Seen {
        let mut seen = Seen::default();
        self.step(input, &mut seen);
        self.drive(None, &mut seen);
        seen
    }

    /// Puts a message into the inbox, and brings it from there.
    pub(super) fn by_inbox(&mut self, event: Event) -> Input {
        let number = self.post(event.clone());
        Input::Deliver(EntityMessage::of(event, Some(number)))
    }

    pub(super) fn post(&mut self, event: Event) -> i64 {
        self.last_number += 1;
        self.inbox.push((self.last_number, event));
        self.last_number
    }

    pub(super) fn held_by(&self, id: &str) -> bool {
        self.machine.held_by(id).is_some()
    }

    /// Whether a shutdown waits for it.
    pub(super) fn is_turning(&self) -> bool {
        self.machine.is_turning()
    }

    pub(super) fn creates(&self) -> bool {
        self.machine.creates()
    }

    fn drive(&mut self, stop: Option<Step>, seen: &mut Seen) {
        while let Some(next) = self.next.take() {
            let step = match &next {
                Next::Work => Step::Work,
                Next::Load => Step::Load,
                Next::Operate(_) => Step::Operate,
                Next::Commit(_) => Step::Commit,
            };
            if let Next::Commit(batch) = &next {
                seen.commits.push((**batch).clone());
            }
            seen.steps.push(step);
            assert!(seen.steps.len() < 100, "it goes round in circles");
            if stop == Some(step) {
                self.next = Some(next);
                return;
            }
            let input = self.answer_to(next);
            self.step(input, seen);
        }
    }

    fn answer_to(&mut self, next: Next) -> Input {
        match next {
            Next::Work => Input::Work,
            Next::Load => {
                let (registration, lock, state) = (EntityRegistration::of::<Tally>(), self.lock.clone(), self.state.clone());
                let work = Work { registration, live: None, state, lock, mailbox: VecDeque::new() };
                Input::Loaded(Box::new(Found { key: KEY, work, messages: self.inbox.clone() }))
            }
            Next::Operate(mut work) => {
                let worked = work.run(ID, Values::Shown);
                Input::Worked(work, worked)
            }
            Next::Commit(batch) => match self.refusals.pop_front() {
                Some(kind) => Input::Refused(RuntimeError::new(kind, "the store refuses it")),
                None => Input::Applied(self.apply(*batch)),
            },
        }
    }

    fn apply(&mut self, batch: Batch) -> Applied {
        for number in batch.consume {
            let before = self.inbox.len();
            self.inbox.retain(|(kept, _)| *kept != number);
            assert_eq!(self.inbox.len() + 1, before, "the message {number} was taken before, or was never there");
        }
        for (key, event) in batch.post {
            assert_eq!(key, KEY);
            self.post(event);
        }
        if let Some(append) = batch.append {
            assert_eq!((append.number, batch.continues.as_deref()), (2, Some("tally")), "its state is its whole history");
            let [Event::EntityState { state, lock }] = &append.turn.events[..] else { panic!("{:?}", append.turn) };
            (self.state, self.lock) = (state.clone(), lock.clone());
        }
        if let Some(update) = batch.update {
            self.report = update.state.report;
        }
        Applied { purged: batch.purge.iter().filter(|key| **key == KEY).count(), ..Applied::default() }
    }

    fn step(&mut self, input: Input, seen: &mut Seen) {
        let effects = self.machine.step(second(0), input);
        let Effects { retired, replies, wrote_messages, looked_at, rests, gone, sent, refused, next } = effects;
        seen.retired += retired.len();
        replies.into_iter().for_each(|(reply, answer)| drop(reply.send(answer)));
        seen.wrote_messages |= wrote_messages;
        seen.looked_at.extend(looked_at);
        seen.rests |= rests;
        seen.gone |= gone;
        seen.sent.extend(sent);
        refused.into_iter().for_each(|(message, error)| message.refuse(error));
        if let Some(next) = next {
            assert!(self.next.replace(next).is_none(), "two things are under way");
        }
    }
}

/// A client asks for something.
pub(super) fn asks(event: Event) -> (Input, Answer<Recorded>) {
    with_reply(EntityRequest::Event(event))
}

/// A client asks for the purge of the entity with this key.
pub(super) fn asks_to_purge(key: InstanceKey) -> (Input, Answer<Recorded>) {
    with_reply(EntityRequest::Purge(key))
}

fn with_reply(request: EntityRequest) -> (Input, Answer<Recorded>) {
    let (reply, answer) = oneshot::channel();
    (Input::Deliver(EntityMessage { request, inbox: None, reply: Some(reply) }), Answer(answer))
}

/// The number that an operation has answered with.
pub(super) fn number(answer: &mut Answer<Recorded>) -> u32 {
    let result = answer.get().expect("it is answered").expect("it is not refused").expect("it has not failed");
    result.decode().expect("it is a number")
}

/// A run, as entities know it.
pub(super) fn caller(id: &str, started: i64) -> Caller {
    Caller { instance: id.to_owned(), run: second(started) }
}

pub(super) fn called(id: CallId, operation: &'static str, input: impl serde::Serialize) -> Event {
    called_by(None, id, operation, input)
}

pub(super) fn called_by(caller: Option<Caller>, id: CallId, operation: &'static str, input: impl serde::Serialize) -> Event {
    let (entity, input, at) = (ID.to_owned(), json(input), String::new());
    Event::EntityOperationCalled { id, entity, operation: operation.into(), input, at, caller }
}

pub(super) fn signaled(operation: &'static str, input: impl serde::Serialize) -> Event {
    let (entity, input, at) = (ID.to_owned(), json(input), String::new());
    Event::EntityOperationSignaled { id: 0, entity, operation: operation.into(), input, at, caller: None }
}

/// The holder's request for a lock of these entities.
pub(super) fn lock(holder: &Caller, id: CallId, entities: &[&str]) -> Event {
    let entities = entities.iter().map(|entity| (*entity).to_owned()).collect();
    Event::EntityLockRequested { id, entities, at: String::new(), caller: Some(holder.clone()) }
}

/// The end of the lock that the call `lock` has asked for.
pub(super) fn unlock(holder: &Caller, lock: CallId, entities: &[&str]) -> Event {
    let entities = entities.iter().map(|entity| (*entity).to_owned()).collect();
    Event::EntityUnlockSent { id: lock + 1, lock, entities, at: String::new(), caller: Some(holder.clone()) }
}
