//! One entity: its mailbox, its operations, its commits.
//!
//! Invariant: what an operation changes, answers and signals is one transaction with the message that asked for it. So every message takes
//! effect once, whenever the process ends. What may not pass a lock waits in the inbox, or with the client that asks.

pub(crate) mod message;
pub(crate) mod operations;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::kernel::batch::{Append, Applied, Batch, Update};
use crate::kernel::engine::event::{EntityLock, Event, Turn};
use crate::kernel::error::{ErrorClass, ErrorKind, RuntimeError};
use crate::kernel::function::Recorded;
use crate::kernel::instance_id::entity_name;
use crate::kernel::machine::answers::{not_found, shutting_down};
use crate::kernel::machine::code::entity_messages;
use crate::kernel::payload::Payload;
use crate::kernel::stored::{InstanceKey, State, Status, StoreResult};
use crate::kernel::time::Timestamp;
use message::{EntityMessage, EntityRequest, Reply, released};
use operations::{Work, Worked};

/// An entity as a machine.
pub(crate) struct Entity {
    id: Arc<str>,
    phase: Phase,
    mailbox: VecDeque<EntityMessage>,
    /// 0 until it is read.
    key: InstanceKey,
    /// Away during a turn.
    work: Option<Work>,
    lock: Option<EntityLock>,
    /// The commit that is under way.
    pending: Option<Pending>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its state is being read.
    Loading,
    /// It waits.
    Resting,
    /// Operations or a commit are under way, or about to begin.
    Turning,
    /// It has left the memory.
    Gone,
}

/// What a commit lets out.
enum Pending {
    /// Whether it has messages for others.
    Turn { replies: Vec<(Reply, Recorded)>, wrote_messages: bool },
    /// The entity is taken out of the store.
    Purge(Option<Reply>),
}

/// What a machine is told.
pub(crate) enum Input {
    /// Somebody brings a message.
    Deliver(EntityMessage),
    /// The holder of this lock has ended without giving it back. An end of a lock that is another's by now is none.
    HolderEnded(EntityLock),
    /// Answers `Next::Load`.
    Loaded(Box<Found>),
    /// Answers `Next::Load`, where there is nothing to work with.
    NotLoaded(RuntimeError),
    /// Goes on with what waits.
    Work,
    /// Answers `Next::Operate`.
    Worked(Box<Work>, Worked),
    /// Answers `Next::Commit`.
    Applied(Applied),
    /// Answers `Next::Commit`, where trying again does not help.
    Refused(RuntimeError),
    /// It gives way to others, if it can.
    Evict,
    /// It leaves, whatever is under way.
    Stop(RuntimeError),
}

/// The state of an entity, and what waits for it.
pub(crate) struct Found {
    pub(crate) key: InstanceKey,
    pub(crate) work: Work,
    pub(crate) messages: Vec<(i64, Event)>,
}

/// What a step asks its shell to do, in the order in which it is done.
#[derive(Default)]
pub(crate) struct Effects {
    /// States that are no longer needed, to be dropped with no lock held.
    pub(crate) retired: Vec<Work>,
    pub(crate) replies: Vec<(Reply, StoreResult<Recorded>)>,
    /// Something was written for others.
    pub(crate) wrote_messages: bool,
    /// Whether the holder of this lock has ended is to be looked at: whoever ends while it is set aside cannot give it back. Asked for
    /// wherever a lock becomes known; who ends later finds it.
    pub(crate) looked_at: Option<EntityLock>,
    /// It rests, and may be evicted.
    pub(crate) rests: bool,
    /// It has left the memory.
    pub(crate) gone: bool,
    /// Messages that are sent again, to whichever entity has the id by then.
    pub(crate) sent: Vec<EntityMessage>,
    pub(crate) refused: Vec<(EntityMessage, RuntimeError)>,
    /// What is to be done next, and answered by an input.
    pub(crate) next: Option<Next>,
}

/// What is to be done next.
pub(crate) enum Next {
    /// Nothing but another step, by [`Input::Work`].
    Work,
    /// To read the entity and its inbox. One that is not in the store is put there if a message wants it.
    Load,
    Operate(Box<Work>),
    Commit(Box<Batch>),
}

impl Entity {
    /// An entity whose state has to be read first.
    pub(crate) fn unloaded(id: Arc<str>) -> Self {
        Self { id, phase: Phase::Loading, mailbox: VecDeque::new(), key: 0, work: None, lock: None, pending: None }
    }

    /// Whether operations or a commit are under way.
    pub(crate) fn is_turning(&self) -> bool {
        self.phase == Phase::Turning
    }

    /// Whether a run of this id has the lock.
    pub(crate) fn held_by(&self, id: &str) -> Option<EntityLock> {
        self.lock.clone().filter(|lock| lock.holder.instance == id)
    }

    /// Whether a message wants an entity that is not there to be created.
    pub(crate) fn creates(&self) -> bool {
        !self.mailbox.iter().all(EntityMessage::is_purge)
    }

    /// Takes an input in, at the time `now`.
    pub(crate) fn step(&mut self, now: Timestamp, input: Input) -> Effects {
        let mut fx = Effects::default();
        match input {
            Input::Deliver(message) => self.deliver(message, &mut fx),
            // One that is gone finds out when it is read.
            Input::HolderEnded(_) if self.phase == Phase::Gone => {}
            Input::HolderEnded(lock) => self.deliver(released(&lock), &mut fx),
            Input::Loaded(found) => self.loaded(*found, &mut fx),
            Input::NotLoaded(error) => self.not_loaded(&error, &mut fx),
            Input::Work => self.work(&mut fx),
            Input::Worked(work, worked) => self.worked(now, *work, worked, &mut fx),
            Input::Applied(applied) => self.applied(&applied, &mut fx),
            Input::Refused(error) => self.refused(&error, &mut fx),
            Input::Evict => {
                if self.phase == Phase::Resting && self.mailbox.is_empty() {
                    self.leave(&mut fx);
                }
            }
            Input::Stop(error) => {
                let left = self.leave(&mut fx);
                fx.refused.extend(left.into_iter().map(|message| (message, error.clone())));
            }
        }
        fx
    }

    /// Puts a message into the mailbox. One for an entity that has left is given back.
    fn deliver(&mut self, message: EntityMessage, fx: &mut Effects) {
        match self.phase {
            Phase::Gone => {
                fx.gone = true;
                fx.sent.push(message);
            }
            Phase::Loading | Phase::Turning => self.mailbox.push_back(message),
            Phase::Resting => {
                self.mailbox.push_back(message);
                self.phase = Phase::Turning;
                fx.next = Some(Next::Work);
            }
        }
    }

    /// Begins to work with what was read.
    fn loaded(&mut self, found: Found, fx: &mut Effects) {
        let Found { key, work, messages } = found;
        if self.phase != Phase::Loading {
            return fx.retired.push(work);
        }
        (self.key, self.lock, self.work) = (key, work.lock.clone(), Some(work));
        // The inbox may have brought some of them already.
        let read: HashSet<_> = messages.iter().map(|(number, _)| *number).collect();
        let arrived = std::mem::take(&mut self.mailbox);
        self.mailbox = messages.into_iter().map(|(number, event)| EntityMessage::of(event, Some(number))).collect();
        self.mailbox.extend(arrived.into_iter().filter(|message| message.inbox.is_none_or(|number| !read.contains(&number))));
        self.phase = Phase::Turning;
        fx.looked_at.clone_from(&self.lock);
        self.work(fx);
    }

    /// There is nothing to work with. What is not about the entity that is gone is for the one that begins anew.
    fn not_loaded(&mut self, error: &RuntimeError, fx: &mut Effects) {
        for message in self.leave(fx) {
            if error.is_not_found() && !message.is_purge() {
                fx.sent.push(message);
            } else {
                fx.refused.push((message, error.clone()));
            }
        }
    }

    /// Runs all that may run, in its order.
    fn work(&mut self, fx: &mut Effects) {
        if let Some(mut work) = self.work.take() {
            work.mailbox = std::mem::take(&mut self.mailbox);
            fx.next = Some(Next::Operate(Box::new(work)));
        }
    }

    fn worked(&mut self, now: Timestamp, mut work: Work, worked: Worked, fx: &mut Effects) {
        let purge = if worked.is_empty() { work.take_purge() } else { None };
        let Worked { changed, granted, answers, messages, mut replies, consume, unreadable } = worked;
        // A signal that cannot pass is kept, and the client told so.
        let waiting = std::mem::take(&mut work.mailbox).into_iter();
        let (signals, rest): (Vec<_>, _) = waiting.partition(|message| purge.is_none() && message.is_told_when_kept());
        let mut post = Vec::new();
        for signal in signals {
            if let EntityRequest::Event(event) = signal.request {
                post.push((self.key, event));
            }
            replies.extend(signal.reply.map(|reply| (reply, Ok(Payload::null()))));
        }
        let (children, mut tell) = entity_messages(now, messages);
        tell.extend(answers);
        let mut batch = Batch { consume, post, children, tell, ..Batch::default() };
        if changed {
            let state = Event::EntityState { state: work.state.clone(), lock: work.lock.clone() };
            batch.append = Some(Append { instance: self.key, number: 2, turn: Turn { at: now, events: vec![state] } });
            batch.continues = Some(entity_name(&self.id).to_owned());
        }
        batch.update = unreadable.map(|(operation, why)| self.skip(&operation, &why));
        let mut left = VecDeque::from(rest);
        left.append(&mut self.mailbox);
        self.mailbox = left;
        if self.phase == Phase::Gone {
            fx.retired.push(work);
            // Nothing of it was written.
            let replies = replies.into_iter().map(|(reply, _)| reply).chain(purge.and_then(|(_, reply)| reply));
            fx.replies.extend(replies.map(|reply| (reply, Err(shutting_down()))));
            let left = std::mem::take(&mut self.mailbox).into_iter();
            return fx.refused.extend(left.map(|message| (message, shutting_down())));
        }
        self.lock.clone_from(&work.lock);
        self.work = Some(work);
        if granted {
            fx.looked_at.clone_from(&self.lock);
        }
        if let Some((key, reply)) = purge {
            return self.purge(key, reply, fx);
        }
        let wrote_messages = !batch.tell.is_empty() || !batch.post.is_empty();
        let changes_nothing = batch.append.is_none() && batch.update.is_none() && batch.consume.is_empty() && !wrote_messages;
        let pending = Pending::Turn { replies, wrote_messages };
        if changes_nothing {
            return self.settle(pending, fx);
        }
        self.pending = Some(pending);
        fx.next = Some(Next::Commit(Box::new(batch)));
    }

    fn skip(&self, operation: &str, why: &str) -> Update {
        let report = format!("the signal `{operation}` was skipped, because the entity cannot read it: {why}");
        tracing::error!(entity = %self.id, report, "skipped a signal that the entity cannot read");
        let state = State { status: Status::Running, busy: false, report: Some(report), ..State::pending() };
        Update { instance: self.key, state }
    }

    /// Takes the entity out of the store if it is the one with this key, unless it is locked or something waits for it there.
    fn purge(&mut self, key: InstanceKey, reply: Option<Reply>, fx: &mut Effects) {
        if let Some(lock) = &self.lock {
            let holder = &lock.holder.instance;
            let message = format!("nothing was purged: `{}` is in a critical section of `{holder}`; wait for its end", self.id);
            let error = RuntimeError::new(ErrorKind::Unfinished, message);
            fx.replies.extend(reply.map(|reply| (reply, Err(error))));
            return self.go_on(fx);
        }
        self.pending = Some(Pending::Purge(reply));
        fx.next = Some(Next::Commit(Box::new(Batch { purge: vec![key], ..Batch::default() })));
    }

    fn applied(&mut self, applied: &Applied, fx: &mut Effects) {
        match self.pending.take() {
            Some(Pending::Purge(reply)) if applied.purged == 0 => {
                fx.replies.extend(reply.map(|reply| (reply, Err(not_found(&self.id)))));
                self.go_on(fx);
            }
            Some(Pending::Purge(reply)) => {
                fx.replies.extend(reply.map(|reply| (reply, Ok(Ok(Payload::null())))));
                // What has come meanwhile is for the entity that begins anew.
                let left = self.leave(fx);
                fx.sent.extend(left);
            }
            Some(turn) => self.settle(turn, fx),
            None => {}
        }
    }

    fn refused(&mut self, error: &RuntimeError, fx: &mut Effects) {
        match self.pending.take() {
            Some(Pending::Purge(reply)) => {
                fx.replies.extend(reply.map(|reply| (reply, Err(error.clone()))));
                self.go_on(fx);
            }
            Some(Pending::Turn { replies, .. }) => {
                if error.class() == ErrorClass::Permanent {
                    tracing::error!(entity = %self.id, %error, "the state of an entity was refused; its messages stay in the inbox");
                }
                fx.replies.extend(replies.into_iter().map(|(reply, _)| (reply, Err(error.clone()))));
                let left = self.leave(fx);
                fx.refused.extend(left.into_iter().map(|message| (message, error.clone())));
            }
            None => {}
        }
    }

    /// What was done is durable: lets it out.
    fn settle(&mut self, pending: Pending, fx: &mut Effects) {
        if let Pending::Turn { replies, wrote_messages } = pending {
            fx.replies.extend(replies.into_iter().map(|(reply, outcome)| (reply, Ok(outcome))));
            fx.wrote_messages = wrote_messages;
        }
        self.go_on(fx);
    }

    fn go_on(&mut self, fx: &mut Effects) {
        if self.phase == Phase::Gone {
            return;
        }
        if self.has_news() {
            self.phase = Phase::Turning;
            fx.next = Some(Next::Work);
        } else {
            self.phase = Phase::Resting;
            fx.rests = self.mailbox.is_empty();
        }
    }

    /// Whether a turn would do something.
    fn has_news(&self) -> bool {
        self.mailbox.iter().any(|message| message.is_told_when_kept() || message.is_purge() || message.passes(self.lock.as_ref()))
    }

    /// Leaves the memory; gives back what nobody has taken.
    fn leave(&mut self, fx: &mut Effects) -> VecDeque<EntityMessage> {
        self.phase = Phase::Gone;
        fx.retired.extend(self.work.take());
        fx.gone = true;
        std::mem::take(&mut self.mailbox)
    }
}
