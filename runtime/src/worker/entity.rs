//! One entity in a worker: its mailbox, its operations, its commits.
//!
//! Invariant: at most one turn or commit of an entity is under way, and what an operation changes, answers and signals is one
//! transaction with the message that asked for it. So every message takes effect once, whenever the process ends. What may not pass
//! a lock waits in the inbox, or with the client that asks. Operations may block, so they run on threads for that, with no lock held;
//! whoever delivers a message only puts it into the mailbox.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernel::engine::event::{EntityLock, Event, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::function::Recorded;
use crate::kernel::instance_id::entity_name;
use crate::kernel::payload::Payload;
use crate::store::trouble::Backoff;
use crate::store::{self, Append, Applied, Batch, ErrorClass, InstanceKey, Lookup, Refused, State, Status, StoreResult, Update};
use crate::worker::Worker;
use crate::worker::entities::letters;
use crate::worker::letter::{Asks, Message, Reply, released};
use crate::worker::operations::{Effects, Work};

/// An entity this worker knows of.
pub(crate) struct Entity {
    id: Arc<str>,
    inner: Mutex<Inner>,
}

struct Inner {
    phase: Phase,
    mailbox: VecDeque<Message>,
    key: InstanceKey,
    /// Away during a turn.
    work: Option<Work>,
    lock: Option<EntityLock>,
    /// The highest inbox number that has reached the mailbox.
    inbox: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its state is being read.
    Loading,
    /// It waits.
    Resting,
    /// Operations or a commit are under way.
    Turning,
    /// It is no longer in the worker's map.
    Gone,
}

impl Entity {
    /// An entity whose state has to be read first.
    pub(crate) fn unloaded(id: Arc<str>) -> Arc<Self> {
        let inner = Inner { phase: Phase::Loading, mailbox: VecDeque::new(), key: 0, work: None, lock: None, inbox: 0 };
        Arc::new(Self { id, inner: Mutex::new(inner) })
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether operations or a commit are under way.
    pub(crate) fn is_turning(&self) -> bool {
        self.lock().phase == Phase::Turning
    }

    /// Puts a message into the mailbox, for a turn that follows. Gives it back when the entity is gone.
    pub(crate) fn try_deliver(self: &Arc<Self>, worker: &Arc<Worker>, message: Message) -> Option<Message> {
        let mut inner = self.lock();
        if message.inbox.is_some_and(|number| number <= inner.inbox || worker.has_taken(number)) {
            return None;
        }
        match inner.phase {
            Phase::Gone => return Some(message),
            Phase::Loading | Phase::Turning => inner.mailbox.push_back(message),
            Phase::Resting => {
                inner.mailbox.push_back(message);
                inner.phase = Phase::Turning;
                drop(inner);
                self.work_later(worker);
            }
        }
        None
    }

    fn work_later(self: &Arc<Self>, worker: &Arc<Worker>) {
        let (this, owner) = (self.clone(), worker.clone());
        worker.spawn_blocking(move || this.turn(&owner));
    }

    /// Reads the state, and what waits for the entity. One that is not in the store is put there.
    pub(crate) async fn load(self: Arc<Self>, worker: Arc<Worker>) {
        let Err(error) = worker.patiently("load an entity", || self.read(&worker)).await else { return };
        let is_gone = error.is_not_found();
        if !is_gone && error.class() == ErrorClass::Permanent {
            tracing::error!(entity = %self.id, %error, "failed to load an entity; its messages stay in the inbox");
            self.say_why(&worker, &error).await;
        }
        // What is not about the one that is gone is for the entity that begins anew.
        let (again, left): (Vec<_>, Vec<_>) = self.leave(&worker).into_iter().partition(|message| is_gone && !message.is_purge());
        left.into_iter().for_each(|message| message.refuse(error.clone()));
        again.into_iter().for_each(|message| worker.tell_entity(&self.id, message));
    }

    /// Says in the status of the entity why it cannot be loaded.
    async fn say_why(&self, worker: &Worker, error: &RuntimeError) {
        let report = format!("{CANNOT_LOAD}: {error}");
        let said = match worker.store().find(Lookup::Id(self.id.to_string())).await {
            Ok(Some(found)) if found.state.report.as_deref() != Some(&report) => {
                worker.apply(reporting(found, Some(report))).await.map(drop)
            }
            found => found.map(drop),
        };
        if let Err(error) = said {
            tracing::warn!(entity = %self.id, %error, "failed to write why an entity cannot be loaded");
        }
    }

    async fn read(self: &Arc<Self>, worker: &Arc<Worker>) -> StoreResult<()> {
        let name = entity_name(&self.id);
        let registration = *worker.registry().entity(name).ok_or_else(|| {
            let message = format!("no entity named `{name}` is registered in this process; start a build that has it");
            RuntimeError::new(ErrorKind::Invalid, message)
        })?;
        let lookup = || worker.store().load(Lookup::Id(self.id.to_string()));
        let stored = match lookup().await? {
            Some(stored) => stored,
            None if self.lock().mailbox.iter().all(Message::is_purge) => return Err(super::not_found(&self.id)),
            None => {
                let batch = Batch { children: vec![super::new_entity(&self.id, worker.now())], ..Batch::default() };
                worker.apply(batch).await?;
                lookup().await?.ok_or_else(|| super::not_found(&self.id))?
            }
        };
        let mut messages = Vec::new();
        for store::Message { number, event, .. } in worker.store().messages(Some(stored.instance.key), 0).await? {
            let event = event.map_err(|error| {
                let message = format!("a message for `{}` cannot be decoded", self.id);
                RuntimeError::new(ErrorKind::Unreadable, message).caused_by(&error)
            })?;
            messages.push((number, event));
        }
        let event = stored.history.into_iter().flat_map(|turn| turn.events).next_back();
        let Some(Event::EntityState { state, lock }) = event else {
            return Err(RuntimeError::new(ErrorKind::Invalid, format!("`{}` has the history of no entity", self.id)));
        };
        let live = registration.open(state.as_ref());
        let values = worker.store().payloads().values();
        let live = live.map_err(|failure| {
            let message = format!("the state of the entity `{name}` cannot be read: {}", values.told(failure));
            RuntimeError::new(ErrorKind::Invalid, message)
        })?;
        if stored.instance.state.report.as_ref().is_some_and(|report| report.starts_with(CANNOT_LOAD)) {
            worker.apply(reporting(stored.instance.clone(), None)).await?;
        }
        let is_locked = lock.is_some();
        let work = Work { registration, live: Some(live), state, lock, mailbox: VecDeque::new(), inbox: 0 };
        self.take_up(worker, stored.instance.key, work, messages);
        if is_locked {
            self.check_holder(worker);
        }
        Ok(())
    }

    /// Begins to work with what was read.
    fn take_up(self: &Arc<Self>, worker: &Arc<Worker>, key: InstanceKey, work: Work, messages: Vec<(i64, Event)>) {
        let mut inner = self.lock();
        if inner.phase != Phase::Loading {
            drop(inner);
            return drop(work);
        }
        (inner.key, inner.lock, inner.work) = (key, work.lock.clone(), Some(work));
        // From here on the worker's scan may bring the same messages again.
        inner.inbox = messages.last().map_or(0, |(number, _)| *number);
        let read = inner.inbox;
        let arrived = std::mem::take(&mut inner.mailbox);
        let waiting =
            messages.into_iter().map(|(number, event)| Message { asks: Asks::For(event), inbox: Some(number), reply: None });
        inner.mailbox = waiting.collect();
        inner.mailbox.extend(arrived.into_iter().filter(|message| message.inbox.is_none_or(|number| number > read)));
        inner.phase = Phase::Turning;
        drop(inner);
        self.work_later(worker);
    }

    /// Whether a run of this id has the lock.
    pub(crate) fn is_held_by(&self, id: &str) -> bool {
        self.lock().lock.as_ref().is_some_and(|lock| lock.holder.instance == id)
    }

    /// Gives the lock back if its holder has ended: whoever ends while it is set aside cannot do so itself. Asked for wherever a lock
    /// becomes known, when it is given or read; who ends later finds it.
    pub(crate) fn check_holder(self: &Arc<Self>, worker: &Arc<Worker>) {
        let Some(lock) = self.lock().lock.clone() else { return };
        let (this, owner) = (self.clone(), worker.clone());
        worker.spawn(async move {
            match owner.patiently("look for the holder of a lock", || owner.has_ended(&lock.holder)).await {
                // One that is gone finds out when it is read. An end of a lock that is another's by now is none.
                Ok(true) => drop(this.try_deliver(&owner, released(&lock))),
                Ok(false) => {}
                Err(error) if error.class() == ErrorClass::Permanent => {
                    tracing::error!(entity = %this.id, %error, "failed to look for the holder of a lock; it stays locked");
                }
                Err(_) => {}
            }
        });
    }

    /// Runs all that may run, in its order.
    fn turn(self: &Arc<Self>, worker: &Arc<Worker>) {
        let Some((key, mut work)) = self.begin() else { return };
        let mut effects = work.run(&self.id, worker.store().payloads().values());
        let purge = if effects.is_empty() { work.take_purge() } else { None };
        // A signal that cannot pass is kept, and the client told so.
        let mut post = Vec::new();
        let messages = std::mem::take(&mut work.mailbox).into_iter();
        let (signals, rest): (Vec<_>, _) = messages.partition(|message| purge.is_none() && message.is_told_when_kept());
        work.mailbox = rest.into();
        for signal in signals {
            if let Asks::For(event) = signal.asks {
                post.push((key, event));
            }
            effects.replies.extend(signal.reply.map(|reply| (reply, Ok(Payload::null()))));
        }
        let Effects { changed, granted, answers, messages, replies, consume, unreadable } = effects;
        worker.take(&consume);
        let now = worker.now();
        let mut batch = Batch { consume, post, epoch: Some(worker.epoch()), ..Batch::default() };
        if changed {
            let state = Event::EntityState { state: work.state.clone(), lock: work.lock.clone() };
            batch.append = Some(Append { instance: key, number: 2, turn: Turn { at: now, events: vec![state] } });
            batch.continues = Some(entity_name(&self.id).to_owned());
        }
        if let Some((operation, why)) = unreadable {
            let report = format!("the signal `{operation}` was set aside, because the entity cannot read it: {why}");
            tracing::error!(entity = %self.id, report, "a signal is set aside");
            let state = State { status: Status::Running, busy: false, report: Some(report), ..State::pending() };
            batch.update = Some(Update { instance: key, state });
        }
        if let Err(left) = self.end(work) {
            let error = worker.stopped_by();
            replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(error.clone()))));
            return left.into_iter().for_each(|message| message.refuse(error.clone()));
        }
        if let Some((key, reply)) = purge {
            return self.purge(worker, key, reply);
        }
        if granted {
            self.check_holder(worker);
        }
        (batch.children, batch.tell) = letters(now, messages);
        batch.tell.extend(answers);
        if batch.append.is_none()
            && batch.tell.is_empty()
            && batch.consume.is_empty()
            && batch.post.is_empty()
            && batch.update.is_none()
        {
            return self.committed(worker, replies, false);
        }
        self.commit(worker, batch, replies, Backoff::default());
    }

    /// Takes what a turn works on.
    fn begin(&self) -> Option<(InstanceKey, Work)> {
        let mut inner = self.lock();
        let mut work = inner.work.take()?;
        (work.mailbox, work.inbox) = (std::mem::take(&mut inner.mailbox), inner.inbox);
        Some((inner.key, work))
    }

    /// Puts it back; gives the messages that are left when the entity is gone by now.
    fn end(&self, mut work: Work) -> Result<(), VecDeque<Message>> {
        let mut inner = self.lock();
        let mut left = std::mem::take(&mut work.mailbox);
        if inner.phase == Phase::Gone {
            drop(inner);
            return Err(left);
        }
        left.append(&mut inner.mailbox);
        (inner.mailbox, inner.inbox, inner.lock) = (left, work.inbox, work.lock.clone());
        inner.work = Some(work);
        Ok(())
    }

    /// Takes the entity out of the store if it is the one with this key, unless it is locked or something waits for it there.
    fn purge(self: &Arc<Self>, worker: &Arc<Worker>, key: InstanceKey, asked: Option<Reply>) {
        let locked = self.lock().lock.as_ref().map(|lock| {
            let holder = &lock.holder.instance;
            let message = format!("nothing was purged: `{}` is in a critical section of `{holder}`; wait for its end", self.id);
            RuntimeError::new(ErrorKind::Unfinished, message)
        });
        let batch = Batch { purge: vec![key], epoch: Some(worker.epoch()), ..Batch::default() };
        let (this, owner) = (self.clone(), worker.clone());
        let purged = move |result: Result<Applied, RuntimeError>| {
            let result = result.and_then(|applied| if applied.purged == 0 { Err(super::not_found(&this.id)) } else { Ok(()) });
            let is_gone = result.is_ok();
            if let Err(error) = &result
                && error.class() == ErrorClass::Fatal
            {
                owner.give_up(error);
            }
            asked.into_iter().for_each(|reply| drop(reply.send(result.clone().map(|()| Ok(Payload::null())))));
            if !is_gone {
                return this.committed(&owner, Vec::new(), false);
            }
            // Not here: this is the store's thread. What has come meanwhile is for the entity that begins anew.
            let left = this.leave(&owner);
            let worker = owner.clone();
            owner.spawn(async move { left.into_iter().for_each(|message| worker.tell_entity(&this.id, message)) });
        };
        match locked {
            Some(error) => purged(Err(error)),
            None => worker.store().apply(batch, Box::new(move |result| purged(result.map_err(|refused| refused.error)))),
        }
    }

    /// Applies a batch until it is applied.
    fn commit(self: &Arc<Self>, worker: &Arc<Worker>, batch: Batch, replies: Vec<(Reply, Recorded)>, tries: Backoff) {
        let sends = !batch.tell.is_empty() || !batch.post.is_empty();
        let (this, owner) = (self.clone(), worker.clone());
        let reply = move |result: Result<Applied, Box<Refused>>| match result {
            Ok(_) => this.committed(&owner, replies, sends),
            Err(refused) => this.refused(&owner, *refused, replies, tries),
        };
        worker.store().apply(batch, Box::new(reply));
    }

    fn refused(self: &Arc<Self>, worker: &Arc<Worker>, refused: Refused, replies: Vec<(Reply, Recorded)>, mut tries: Backoff) {
        let Refused { error, batch } = refused;
        match error.class() {
            ErrorClass::Passing => {
                if tries.is_news() {
                    tracing::error!(entity = %self.id, %error, "failed to write the state of an entity; retrying");
                }
                let pause = tries.pause();
                let (this, owner) = (self.clone(), worker.clone());
                return worker.spawn(async move {
                    tokio::time::sleep(pause).await;
                    this.commit(&owner, batch, replies, tries);
                });
            }
            ErrorClass::Permanent => {
                tracing::error!(entity = %self.id, %error, "the state of an entity was refused; its messages stay in the inbox");
            }
            ErrorClass::Fatal => worker.give_up(&error),
        }
        replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(error.clone()))));
        self.leave(worker).into_iter().for_each(|message| message.refuse(error.clone()));
    }

    /// What was done is durable: lets it out.
    fn committed(self: &Arc<Self>, worker: &Arc<Worker>, replies: Vec<(Reply, Recorded)>, sends: bool) {
        replies.into_iter().for_each(|(reply, outcome)| drop(reply.send(Ok(outcome))));
        if sends {
            worker.fetch_later();
        }
        let mut inner = self.lock();
        if inner.phase == Phase::Gone {
            return;
        }
        if inner.has_news() {
            drop(inner);
            return self.work_later(worker);
        }
        inner.phase = Phase::Resting;
        if inner.mailbox.is_empty() && worker.has_many_entities() {
            inner.phase = Phase::Gone;
            let work = inner.work.take();
            drop(inner);
            worker.retire(work);
            worker.forget_entity(self);
        }
    }

    /// Leaves the worker's map; gives back what nobody has taken.
    pub(crate) fn leave(self: &Arc<Self>, worker: &Arc<Worker>) -> Vec<Message> {
        let mut inner = self.lock();
        inner.phase = Phase::Gone;
        let left = std::mem::take(&mut inner.mailbox);
        let work = inner.work.take();
        drop(inner);
        worker.retire(work);
        worker.forget_entity(self);
        left.into()
    }
}

impl Inner {
    /// Whether a turn would do something.
    fn has_news(&self) -> bool {
        self.mailbox.iter().any(|message| message.is_told_when_kept() || message.is_purge() || message.passes(self.lock.as_ref()))
    }
}

/// How the report of an entity begins that cannot be loaded. It goes when the entity can be.
const CANNOT_LOAD: &str = "the entity cannot be loaded, and its messages are kept until it can";

/// Gives an entity another report.
fn reporting(found: store::Instance, report: Option<String>) -> Batch {
    let update = Update { instance: found.key, state: State { report, ..found.state } };
    Batch { update: Some(update), ..Batch::default() }
}
