//! An instance that cannot be run now: how it is set aside, and what happens to messages for it.
//!
//! Invariant: a parked instance has no execution in memory; what arrives for it goes to the inbox, in order.

use std::sync::{Arc, MutexGuard};

use crate::engine::event::{Event, Turn};
use crate::error::{ErrorKind, RuntimeError};
use crate::store::{Append, Applied, Batch, Refused, State, Status, Timestamp, Update};
use crate::worker::Worker;
use crate::worker::instance::{Ack, Commit, Inner, Instance, Message, Phase};

impl Instance {
    /// Sets the instance aside with a report; what was to be delivered goes to the inbox.
    pub(super) fn park(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        report: String,
        incoming: Vec<Event>,
        acks: Vec<Ack>,
        inboxed: Vec<i64>,
    ) {
        tracing::error!(instance = %self.id(), report, "an orchestration is parked");
        let mut inner = self.lock();
        inner.phase = Phase::Turning;
        let state = State { status: Status::Suspended, busy: true, report: Some(report), ..inner.state.clone() };
        let key = inner.key;
        inner.calls.stop_timers();
        drop(inner);
        // What came through the inbox is posted again with the rest, so that the order stays.
        let post = incoming.into_iter().map(|event| (key, event)).collect();
        let update = Some(Update { instance: key, state: state.clone() });
        let commit = Commit { execution: None, actions: Vec::new(), acks, state, turns: 0, outcome: None, next: None };
        self.commit(worker, Batch { update, post, consume: inboxed, ..Batch::default() }, commit, 0);
    }

    /// Parks an instance that could not be taken up. Whoever asked to resume it is told why it cannot be.
    pub(super) fn park_again(self: &Arc<Self>, worker: &Arc<Worker>, report: String) {
        let is_resume = |message: &mut Message| matches!(message.event, Some(Event::ExecutionResumed { .. }));
        let resumes: Vec<_> = self.lock().mailbox.extract_if(.., is_resume).collect();
        let inboxed = resumes.iter().filter_map(|message| message.inbox).collect();
        self.park(worker, report.clone(), Vec::new(), Vec::new(), inboxed);
        let error = RuntimeError::new(ErrorKind::Invalid, format!("`{}` cannot be resumed: {report}", self.id()));
        resumes.into_iter().for_each(|message| message.refuse(error.clone()));
    }

    /// A message for a parked instance.
    pub(super) fn keep(self: &Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'_, Inner>, message: Message) {
        match message.event {
            Some(Event::ExecutionResumed { .. }) => {
                inner.phase = Phase::Loading;
                // The inbox is read again from its beginning.
                inner.inbox = 0;
                inner.mailbox.extend(message.inbox.is_none().then_some(message));
                drop(inner);
                worker.load(self.clone());
            }
            Some(event @ Event::ExecutionTerminated { .. }) => {
                inner.phase = Phase::Turning;
                let outcome = event.outcome();
                let (key, number) = (inner.key, inner.turns + 1);
                let state = State { status: Status::Terminated, busy: false, wake_at: None, ..inner.state.clone() };
                drop(inner);
                let append = Append { instance: key, number, turn: Turn { at: Timestamp::now(), events: vec![event] } };
                let update = Some(Update { instance: key, state: state.clone() });
                let acks = message.ack.into_iter().collect();
                let commit = Commit { execution: None, actions: Vec::new(), acks, state, turns: 1, outcome, next: None };
                let consume = message.inbox.into_iter().collect();
                self.commit(worker, Batch { append: Some(append), update, consume, ..Batch::default() }, commit, 0);
            }
            Some(event) if message.inbox.is_none() => {
                let batch = Batch { epoch: Some(worker.epoch()), post: vec![(inner.key, event)], ..Batch::default() };
                drop(inner);
                let ack = message.ack;
                let reply = move |result: Result<Applied, Box<Refused>>| {
                    if let Some(ack) = ack {
                        let _ = ack.send(result.map(|_| ()).map_err(|refused| refused.error));
                    }
                };
                worker.store().apply(batch, Box::new(reply));
            }
            _ => {}
        }
    }
}
