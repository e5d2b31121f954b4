//! An instance that is not to be run now: how it is set aside, and what happens to messages for it.
//!
//! An instance is set aside because it cannot be run (it is parked, with a report), because somebody suspended it, or because
//! the time of its start has not come.
//!
//! Invariant: an instance set aside has no execution in memory; what arrives for it goes to the inbox, in order.

use std::sync::{Arc, MutexGuard};

use crate::engine::event::{Event, Turn};
use crate::engine::poison::Report;
use crate::error::{ErrorKind, RuntimeError};
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
        let error = RuntimeError::new(ErrorKind::Invalid, format!("`{}` was not resumed: {why}", self.id()));
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
        // Dropped outside a turn: what it waits for is unloaded, not cancelled.
        drop(execution);
    }

    /// Ends an instance that does not run, without a turn.
    pub(super) fn terminate(self: &Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'_, Inner>, message: Message) {
        let execution = inner.execution.take();
        let state = State { status: Status::Terminated, busy: false, wake_at: None, ..inner.state.clone() };
        self.set_aside(worker, inner, state, message.event, Waiting::asked(message.ack, message.inbox));
        // As when it is suspended.
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
        let Waiting { post, acks, consume } = waiting;
        let outcome = record.as_ref().and_then(Event::outcome);
        let append = record.map(|event| Append { instance: key, number, turn: Turn { at: worker.now(), events: vec![event] } });
        let turns = u32::from(append.is_some());
        // What came through the inbox is posted again with the rest, so that the order stays.
        let post = post.into_iter().map(|event| (key, event)).collect();
        let update = Some(Update { instance: key, state: state.clone() });
        let commit = Commit { execution: None, actions: Vec::new(), acks, state, turns, outcome, next: None };
        self.commit(worker, Batch { append, update, post, consume, ..Batch::default() }, commit, Backoff::default());
    }

    /// A message for an instance that is set aside.
    pub(super) fn keep(self: &Arc<Self>, worker: &Arc<Worker>, inner: MutexGuard<'_, Inner>, message: Message) {
        match message.event {
            Some(Event::ExecutionResumed { .. }) if inner.state.status != Status::Suspended => {
                drop(inner);
                self.decline(worker, message, "it is not suspended");
            }
            Some(Event::ExecutionResumed { .. }) => self.take_up(worker, inner, Some(message)),
            None if inner.state.status == Status::Pending && inner.state.is_due(worker.now()) => {
                self.take_up(worker, inner, None);
            }
            Some(Event::ExecutionSuspended { .. }) if inner.state.status == Status::Suspended => {
                let why = match &inner.state.report {
                    Some(report) => format!("it is suspended already, because it cannot be run: {report}"),
                    None => "it is suspended already".to_owned(),
                };
                drop(inner);
                self.decline(worker, message, &why);
            }
            Some(Event::ExecutionSuspended { .. }) => self.suspend(worker, inner, message),
            Some(Event::ExecutionTerminated { .. }) => self.terminate(worker, inner, message),
            // The end of a sub-orchestration is looked for when the instance is taken up.
            Some(_) if message.ended.is_some() => {}
            // Under the lock, so that a resumption that follows is applied after it.
            Some(_) if message.inbox.is_none() => post(worker, inner.key, message),
            _ => {}
        }
    }

    /// Reads the instance anew, as soon as all that was sent to its inbox is there.
    pub(super) fn take_up(self: &Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'_, Inner>, message: Option<Message>) {
        inner.phase = Phase::Loading;
        // The inbox is read again from its beginning.
        inner.inbox = 0;
        inner.mailbox.extend(message.filter(|message| message.inbox.is_none()));
        let (this, owner) = (self.clone(), worker.clone());
        let batch = Batch { epoch: Some(worker.epoch()), ..Batch::default() };
        // Batches are applied in order, so this answer comes after those of all messages.
        worker.store().apply(batch, Box::new(move |_| owner.load(this)));
    }

    /// Refuses a request that does not fit the state of the instance.
    fn decline(&self, worker: &Arc<Worker>, message: Message, why: &str) {
        worker.discard(message.inbox.into_iter().collect());
        message.refuse(wrong_state(self.id(), why));
    }
}

impl Worker {
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
        Self { post: Vec::new(), acks: ack.into_iter().collect(), consume: inbox.into_iter().collect() }
    }
}

/// Writes a message into the inbox of an instance.
pub(super) fn post(worker: &Arc<Worker>, key: InstanceKey, message: Message) {
    let Message { event: Some(event), ack, .. } = message else { return };
    let owner = worker.clone();
    let reply = move |result: Result<Applied, Box<Refused>>| match (ack, result) {
        (Some(ack), result) => drop(ack.send(result.map(|_| ()).map_err(|refused| refused.error))),
        // Nobody can be told, as of the outcome of an activity.
        (None, Err(refused)) if refused.error.class() == ErrorClass::Passing => owner.post_again(refused.batch),
        (None, _) => {}
    };
    let batch = Batch { epoch: Some(worker.epoch()), post: vec![(key, event)], ..Batch::default() };
    worker.store().apply(batch, Box::new(reply));
}

/// What the caller of a resumption is told of a run that stays parked.
pub(super) fn cannot_resume(id: &str, report: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, format!("`{id}` cannot be resumed: {report}"))
}

/// What the caller of a request is told that does not fit the state of an instance.
pub(crate) fn wrong_state(id: &str, why: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, format!("nothing was done to the orchestration `{id}`: {why}"))
}
