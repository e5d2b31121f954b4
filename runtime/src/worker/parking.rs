//! An instance that is not to be run now: how it is set aside, and what happens to messages for it.
//!
//! An instance is set aside because it cannot be run (it is parked, with a report), because somebody suspended it, or because
//! the time of its start has not come.
//!
//! Invariant: an instance set aside has no execution in memory; what arrives for it goes to the inbox, in order.

use std::sync::{Arc, MutexGuard};

use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::engine::poison::Report;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::trouble::Backoff;
use crate::store::{Append, Applied, Batch, ErrorClass, InstanceKey, Refused, State, Status, Timestamp, Update};
use crate::worker::Worker;
use crate::worker::commit::Commit;
use crate::worker::instance::{Inner, Instance, Phase};
use crate::worker::message::{Ack, Message};

/// Messages that wait for the commit that sets an instance aside.
#[derive(Default)]
pub(super) struct Waiting {
    /// What was to be delivered; it goes to the inbox.
    pub(super) post: Vec<Event>,
    pub(super) acks: Vec<Ack>,
    pub(super) consume: Vec<i64>,
    /// What it tells others.
    pub(super) tell: Vec<(String, Event)>,
}

impl Instance {
    /// Sets the instance aside with a report.
    pub(super) fn park(self: &Arc<Self>, worker: &Arc<Worker>, report: String, waiting: Waiting) {
        tracing::error!(instance = %self.id(), report, "an orchestration is parked");
        let inner = self.lock();
        let state = State { status: Status::Suspended, busy: true, report: Some(report), ..inner.state.clone() };
        self.set_aside(worker, inner, state, None, waiting);
    }

    /// Why a turn was given up, as it is told.
    pub(super) fn report(&self, worker: &Worker, report: Report) -> String {
        report.text(self.id(), worker.store().payloads().is_encrypted())
    }

    /// Leaves an instance as it is, and tells whoever asked to resume it why.
    pub(super) fn stay(self: &Arc<Self>, worker: &Arc<Worker>, why: &str) {
        tracing::warn!(instance = %self.id(), why, "an orchestration was not resumed");
        let mut inner = self.lock();
        let resumes: Vec<_> = inner.mailbox.extract_if(.., |message| message.is_resume()).collect();
        let consume = resumes.iter().filter_map(|message| message.inbox).collect();
        let state = inner.state.clone();
        self.set_aside(worker, inner, state, None, Waiting { consume, ..Waiting::default() });
        let error = RuntimeError::new(ErrorKind::Invalid, format!("cannot resume `{}`: {why}", self.id()));
        resumes.into_iter().for_each(|message| message.refuse(error.clone()));
    }

    /// Parks an instance that could not be taken up. Whoever asked to resume it is told why it cannot be.
    pub(super) fn park_again(self: &Arc<Self>, worker: &Arc<Worker>, report: String) {
        let resumes: Vec<_> = self.lock().mailbox.extract_if(.., |message| message.is_resume()).collect();
        let consume = resumes.iter().filter_map(|message| message.inbox).collect();
        self.park(worker, report.clone(), Waiting { consume, ..Waiting::default() });
        let error = cannot_resume(self.id(), &report);
        resumes.into_iter().for_each(|message| message.refuse(error.clone()));
    }

    /// Suspends the instance: what runs goes on, nothing is started, all that arrives waits for the resumption.
    ///
    /// `message` asks for it. A generation that has not begun has no turn yet, so its history stays as it is.
    pub(super) fn suspend(self: &Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'_, Inner>, message: Message) {
        let execution = inner.execution.take();
        let has_begun = inner.state.status != Status::Pending && inner.fresh.is_none();
        let state = State { status: Status::Suspended, busy: false, wake_at: None, report: None, ..inner.state.clone() };
        self.set_aside(worker, inner, state, message.event.filter(|_| has_begun), Waiting::asked(message.ack, message.inbox));
        // Dropped with no lock held, and outside a turn: what it waits for is unloaded, not cancelled.
        drop(execution);
    }

    /// Makes the instance wait for the time of its start.
    pub(super) fn schedule(self: &Arc<Self>, worker: &Arc<Worker>, at: Timestamp, resumes: Vec<Message>) {
        let inner = self.lock();
        let state = State { status: Status::Pending, busy: false, wake_at: Some(at), ..inner.state.clone() };
        let mut waiting = Waiting::default();
        for message in resumes {
            waiting.acks.extend(message.ack);
            waiting.consume.extend(message.inbox);
        }
        self.set_aside(worker, inner, state, None, waiting);
    }

    fn set_aside(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        mut inner: MutexGuard<'_, Inner>,
        state: State,
        record: Option<Event>,
        waiting: Waiting,
    ) {
        inner.phase = Phase::Turning;
        inner.calls.stop_timers();
        let key = inner.key;
        let number = inner.turns + 1;
        drop(inner);
        let Waiting { post, acks, consume, tell } = waiting;
        let outcome = record.as_ref().and_then(Event::outcome);
        let append = record.map(|event| Append { instance: key, number, turn: Turn { at: worker.now(), events: vec![event] } });
        let turns = u32::from(append.is_some());
        // What came through the inbox is posted again with the rest, so that the order stays.
        let post = post.into_iter().map(|event| (key, event)).collect();
        let update = Some(Update { instance: key, state: state.clone() });
        let commit = Commit { acks, turns, outcome, sets_aside: true, ..Commit::of(state) };
        self.commit(worker, Batch { append, update, post, consume, tell, ..Batch::default() }, commit, Backoff::default());
    }

    /// Deals with what has come for an instance that is set aside. Events go to the inbox, in their order; what follows a request that changes
    /// the instance waits for that.
    pub(super) fn keep<'i>(self: &'i Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'i, Inner>) {
        while !inner.mailbox.is_empty() {
            let (key, mut kept) = (inner.key, Kept::default());
            let mut messages = std::mem::take(&mut inner.mailbox).into_iter();
            let change = messages.by_ref().find_map(|message| inner.sort(&self.id, worker.now(), message, &mut kept));
            inner.mailbox.extend(messages);
            drop(inner);
            self.put_by(worker, key, kept);
            if let Some(change) = change {
                return self.change(worker, change);
            }
            inner = self.lock();
            if inner.phase != Phase::Turning {
                return;
            }
        }
        inner.phase = Phase::Parked;
        if inner.calls.running.is_empty() {
            self.leave_place(worker, &mut inner);
        }
        drop(inner);
        self.list(worker);
    }

    /// Sends events to the inbox, and refuses what does not fit the state of the instance.
    pub(super) fn put_by(&self, worker: &Arc<Worker>, key: InstanceKey, kept: Kept) {
        let Kept { post, acks, consume, declined } = kept;
        worker.discard(consume);
        if !post.is_empty() {
            let post = post.into_iter().map(|event| (key, event)).collect();
            let batch = Batch { epoch: Some(worker.epoch()), post, ..Batch::default() };
            let owner = worker.clone();
            let reply = move |result: Result<Applied, Box<Refused>>| owner.put_by(acks, result);
            worker.store().apply(batch, Box::new(reply));
        }
        declined.into_iter().for_each(|(message, error)| message.refuse(error));
    }

    /// Does what changes the instance without a turn. It no longer waits for a place.
    pub(super) fn change(self: &Arc<Self>, worker: &Arc<Worker>, change: Change) {
        let mut inner = self.lock();
        inner.in_line = false;
        if inner.phase != Phase::Turning {
            drop(inner);
            return change.refuse(worker.stopped_by());
        }
        match change {
            Change::Resume(message) => self.take_up(worker, inner, message),
            Change::Suspend(message) => self.suspend(worker, inner, message),
            Change::Terminate(message) => {
                drop(inner);
                let (this, owner) = (self.clone(), worker.clone());
                worker.spawn(async move { this.terminate(&owner, message).await });
            }
        }
    }

    /// Ends the instance without a turn, and with it, in the same transaction, the sub-orchestrations it would have waited for.
    async fn terminate(self: &Arc<Self>, worker: &Arc<Worker>, message: Message) {
        let children = worker.living_children(&self.id).await;
        let mut inner = self.lock();
        match children {
            Ok(tell) if inner.phase == Phase::Turning => {
                let execution = inner.execution.take();
                let state = State { status: Status::Terminated, busy: false, wake_at: None, ..inner.state.clone() };
                let waiting = Waiting { tell, ..Waiting::asked(message.ack, message.inbox) };
                self.set_aside(worker, inner, state, message.event, waiting);
                drop(execution);
            }
            Ok(_) => {
                drop(inner);
                message.refuse(worker.stopped_by());
            }
            // One that came through the inbox is there still.
            Err(error) => {
                drop(inner);
                message.refuse(error);
                self.work(worker);
            }
        }
    }

    /// Reads the instance anew, as soon as all that was sent to its inbox is there.
    pub(super) fn take_up(self: &Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'_, Inner>, message: Option<Message>) {
        inner.phase = Phase::Loading;
        // The inbox is read again from its beginning.
        inner.inbox = 0;
        // Before what has come after it.
        inner.mailbox.splice(..0, message.filter(|message| message.inbox.is_none()));
        drop(inner);
        let (this, owner) = (self.clone(), worker.clone());
        let batch = Batch { epoch: Some(worker.epoch()), ..Batch::default() };
        // Batches are applied in order, so this answer comes after those of all messages.
        worker.store().apply(batch, Box::new(move |_| owner.load(this)));
    }
}

impl Inner {
    /// What a message for an instance that is set aside asks for: a change, unless it is put by.
    fn sort(&self, id: &str, now: Timestamp, message: Message, kept: &mut Kept) -> Option<Change> {
        let is_suspended = self.state.status == Status::Suspended;
        match &message.event {
            Some(Event::ExecutionResumed { .. }) if !is_suspended => {
                kept.decline(message, wrong_state(id, "it is not suspended"))
            }
            Some(Event::ExecutionResumed { .. }) => return Some(Change::Resume(Some(message))),
            None if self.state.status == Status::Pending && self.state.is_due(now) => return Some(Change::Resume(None)),
            Some(Event::ExecutionSuspended { .. }) if is_suspended => {
                let why = match &self.state.report {
                    Some(report) => format!("it is already suspended, because it cannot be run: {report}"),
                    None => "it is already suspended".to_owned(),
                };
                kept.decline(message, wrong_state(id, &why));
            }
            Some(Event::ExecutionSuspended { .. }) => return Some(Change::Suspend(message)),
            Some(Event::ExecutionTerminated { .. }) => return Some(Change::Terminate(message)),
            // The end of a sub-orchestration is looked for when the instance is taken up.
            Some(_) if message.ended.is_some() || message.inbox.is_some() => {}
            Some(_) => kept.put(message),
            None => {}
        }
        None
    }
}

/// Messages that are dealt with at once and change nothing.
#[derive(Default)]
pub(super) struct Kept {
    post: Vec<Event>,
    /// Who waits for each of them.
    acks: Vec<Option<Ack>>,
    consume: Vec<i64>,
    declined: Vec<(Message, RuntimeError)>,
}

impl Kept {
    /// It goes to the inbox.
    pub(super) fn put(&mut self, message: Message) {
        if let Some(event) = message.event {
            self.post.push(event);
            self.acks.push(message.ack);
        }
    }

    /// It is refused.
    pub(super) fn decline(&mut self, message: Message, error: RuntimeError) {
        self.consume.extend(message.inbox);
        self.declined.push((message, error));
    }

    /// Whether something goes to the inbox.
    pub(super) fn posts(&self) -> bool {
        !self.post.is_empty()
    }
}

/// A request that changes an instance without a turn.
pub(super) enum Change {
    /// It is to be run again; nothing asks for that when its time has come.
    Resume(Option<Message>),
    Suspend(Message),
    Terminate(Message),
}

impl Change {
    fn refuse(self, error: RuntimeError) {
        match self {
            Self::Resume(message) => message.into_iter().for_each(|message| message.refuse(error.clone())),
            Self::Suspend(message) | Self::Terminate(message) => message.refuse(error),
        }
    }
}

impl Worker {
    /// Answers to those who have sent events to the inbox. What nobody can be told of, as the outcome of an activity, gets there later.
    fn put_by(self: &Arc<Self>, acks: Vec<Option<Ack>>, result: Result<Applied, Box<Refused>>) {
        let Err(refused) = result else {
            return acks.into_iter().flatten().for_each(|ack| drop(ack.send(Ok(()))));
        };
        let Refused { error, mut batch } = *refused;
        let mut sent = acks.iter();
        batch.post.retain(|_| sent.next().is_some_and(Option::is_none));
        acks.into_iter().flatten().for_each(|ack| drop(ack.send(Err(error.clone()))));
        if error.class() == ErrorClass::Passing && !batch.post.is_empty() {
            self.post_again(batch);
        }
    }

    /// Puts into the inbox what did not get there at once. Whoever was resumed meanwhile finds it by a scan.
    fn post_again(self: &Arc<Self>, batch: Batch) {
        let worker = self.clone();
        self.spawn(async move {
            if worker.patiently("keep a message for later", || worker.apply(batch.clone())).await.is_ok() {
                worker.scan().await;
            }
        });
    }
}

impl Waiting {
    fn asked(ack: Option<Ack>, inbox: Option<i64>) -> Self {
        Self { acks: ack.into_iter().collect(), consume: inbox.into_iter().collect(), ..Self::default() }
    }
}

/// What the caller of a resumption is told of a run that stays parked.
pub(super) fn cannot_resume(id: &str, report: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, format!("cannot resume `{id}`: {report}"))
}

/// What the caller of a request is told that does not fit the state of an instance.
pub(crate) fn wrong_state(id: &str, why: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, format!("nothing was done to the orchestration `{id}`: {why}"))
}
