//! An instance that is not to be run now: how it is set aside, and what becomes of messages for it.
//!
//! An instance is set aside because somebody suspended it, because the worker parked it with a report, or because its start is not due yet.
//!
//! Invariant: an instance set aside has no execution in memory; what arrives for it goes to the inbox, in order.

use crate::kernel::batch::{Append, Batch, Update};
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::answers::{cannot_resume, shutting_down, wrong_state};
use crate::kernel::machine::instance::parts::{Change, Pending, Place, Waiting};
use crate::kernel::machine::instance::{Effects, Instance, Next, Phase};
use crate::kernel::machine::message::Message;
use crate::kernel::stored::{State, Status, StoreResult};
use crate::kernel::time::Timestamp;

impl Instance {
    /// Parks the instance: suspends it with a report.
    pub(super) fn park(&mut self, now: Timestamp, report: String, waiting: Waiting, fx: &mut Effects) {
        tracing::error!(instance = %self.id, report, "an orchestration is parked");
        let state = State { status: Status::Suspended, busy: true, wake_at: None, report: Some(report), ..self.state.clone() };
        self.set_aside(now, state, None, waiting, fx);
    }

    /// Parks an instance that could not be taken up. Whoever asked to resume it is told why it cannot be.
    pub(super) fn park_again(&mut self, now: Timestamp, report: String, fx: &mut Effects) {
        let waiting = self.decline_resumes(&cannot_resume(&self.id, &report));
        self.park(now, report, waiting, fx);
    }

    /// Leaves an instance as it is, and tells whoever asked to resume it why.
    pub(super) fn stay(&mut self, now: Timestamp, why: &str, fx: &mut Effects) {
        tracing::warn!(instance = %self.id, why, "an orchestration was not resumed");
        let error = RuntimeError::new(ErrorKind::Invalid, format!("cannot resume `{}`: {why}", self.id));
        let waiting = self.decline_resumes(&error);
        let state = self.state.clone();
        self.set_aside(now, state, None, waiting, fx);
    }

    /// Takes the resumptions out of the mailbox. Whoever asked is told when the status says why, too.
    fn decline_resumes(&mut self, error: &RuntimeError) -> Waiting {
        let mut waiting = Waiting::default();
        for message in self.mailbox.extract_if(.., |message| message.is_resume()) {
            waiting.declined.extend(message.ack.map(|ack| (ack, error.clone())));
            waiting.consume.extend(message.inbox);
        }
        waiting
    }

    /// Suspends the instance: what runs goes on, nothing is started, all that arrives waits for the resumption.
    ///
    /// An execution that has not begun has no turn yet, so its history stays as it is.
    pub(super) fn suspend(&mut self, now: Timestamp, mut message: Message, fx: &mut Effects) {
        // Outside a turn: what it waits for is unloaded, not cancelled.
        fx.retired.extend(self.execution.take());
        let has_begun = self.state.status != Status::Pending && self.fresh.is_none();
        let state = State { status: Status::Suspended, busy: false, wake_at: None, report: None, ..self.state.clone() };
        let waiting = Waiting::asked(&mut message);
        self.set_aside(now, state, message.event.filter(|_| has_begun), waiting, fx);
    }

    /// Makes the instance wait for the time of its start.
    pub(super) fn schedule(&mut self, now: Timestamp, at: Timestamp, fx: &mut Effects) {
        let state = State { status: Status::Pending, busy: false, wake_at: Some(at), ..self.state.clone() };
        let mut waiting = Waiting::default();
        for message in self.mailbox.extract_if(.., |message| message.is_resume()) {
            waiting.acks.extend(message.ack);
            waiting.consume.extend(message.inbox);
        }
        self.set_aside(now, state, None, waiting, fx);
    }

    fn set_aside(&mut self, now: Timestamp, state: State, record: Option<Event>, waiting: Waiting, fx: &mut Effects) {
        self.phase = Phase::Turning;
        self.calls.stop_timers();
        let Waiting { post, acks, declined, consume, tell } = waiting;
        let outcome = record.as_ref().and_then(Event::outcome);
        let number = self.turns + 1;
        let turn = |event| Append { instance: self.key, number, turn: Turn { at: now, events: vec![event] } };
        let append = record.map(turn);
        let turns = u32::from(append.is_some());
        // What came through the inbox is posted again with the rest, so that the order stays.
        let post = post.into_iter().map(|event| (self.key, event)).collect();
        let update = Some(Update { instance: self.key, state: state.clone() });
        let takes_up = self.state.is_aside() && !state.is_aside();
        let batch = Batch { append, update, takes_up, post, consume, tell, ..Batch::default() };
        let pending = Pending { acks, declined, turns, outcome, sets_aside: true, ..Pending::of(state) };
        self.commit(batch, Vec::new(), pending, fx);
    }

    /// Deals with what has come for an instance that is set aside. Events go to the inbox, in their order; what follows a request that changes
    /// the instance waits for that.
    pub(super) fn keep(&mut self, now: Timestamp, fx: &mut Effects) {
        if self.mailbox.is_empty() {
            self.phase = Phase::SetAside;
            if self.calls.running.is_empty() {
                self.leave_place(fx);
            }
            // A start that the clock has told of too early is due still.
            self.arm(fx);
            return self.list(fx);
        }
        let mut messages = std::mem::take(&mut self.mailbox).into_iter();
        let change = messages.by_ref().find_map(|message| self.sort(now, message, fx));
        self.mailbox.extend(messages);
        match change {
            Some(change) => self.change(now, change, fx),
            None => fx.next = Some(Next::Work),
        }
    }

    /// What a message for an instance that is set aside asks for: a change, unless it is put by or refused.
    fn sort(&self, now: Timestamp, message: Message, fx: &mut Effects) -> Option<Change> {
        let is_suspended = self.state.status == Status::Suspended;
        match &message.event {
            Some(Event::ExecutionResumed { .. }) if !is_suspended => {
                fx.decline(message, wrong_state("resume", &self.id, "it is not suspended"));
            }
            Some(Event::ExecutionResumed { .. }) => return Some(Change::Resume(Some(message))),
            None if self.state.status == Status::Pending && self.state.is_due(now) => return Some(Change::Resume(None)),
            Some(Event::ExecutionSuspended { .. }) if is_suspended => {
                let why = match &self.state.report {
                    Some(report) => format!("it is already suspended, because it cannot be run: {report}"),
                    None => "it is already suspended".to_owned(),
                };
                fx.decline(message, wrong_state("suspend", &self.id, &why));
            }
            Some(Event::ExecutionSuspended { .. }) => return Some(Change::Suspend(message)),
            Some(Event::ExecutionTerminated { .. }) => return Some(Change::Terminate(message)),
            // The end of a sub-orchestration is looked for when the instance is taken up.
            Some(_) if message.ended.is_some() || message.inbox.is_some() => {}
            Some(_) => fx.post(message),
            // Whoever has resumed it comes too late, if anybody asks.
            None => fx.decline(message, wrong_state("resume", &self.id, "it was suspended again before it could go on")),
        }
        None
    }

    /// Does what changes the instance without a turn. It no longer waits for a place.
    pub(super) fn change(&mut self, now: Timestamp, change: Change, fx: &mut Effects) {
        self.queued = false;
        if self.place == Place::Waits {
            self.place = Place::None;
        }
        match change {
            Change::Resume(message) => self.take_up(message, fx),
            Change::Suspend(message) => self.suspend(now, message, fx),
            Change::Terminate(message) => {
                self.terminating = Some(message);
                fx.next = Some(Next::Children);
            }
        }
    }

    /// Ends the instance without a turn, and with it, in the same transaction, the sub-orchestrations it would have waited for.
    pub(super) fn terminate(&mut self, now: Timestamp, children: StoreResult<Vec<(String, Event)>>, fx: &mut Effects) {
        let Some(mut message) = self.terminating.take() else { return };
        match children {
            Ok(_) if self.phase != Phase::Turning => fx.refuse(message, &shutting_down()),
            Ok(tell) => {
                fx.retired.extend(self.execution.take());
                let state = State { status: Status::Terminated, busy: false, wake_at: None, ..self.state.clone() };
                let waiting = Waiting { tell, ..Waiting::asked(&mut message) };
                self.set_aside(now, state, message.event, waiting, fx);
            }
            // One that came through the inbox is there still.
            Err(error) => {
                fx.refuse(message, &error);
                self.work(now, fx);
            }
        }
    }

    /// Reads the instance anew, as soon as all that was sent to its inbox is there.
    pub(super) fn take_up(&mut self, message: Option<Message>, fx: &mut Effects) {
        self.phase = Phase::Loading;
        // Before what has come after it.
        self.mailbox.splice(..0, message.filter(|message| message.inbox.is_none()));
        fx.next = Some(Next::Load { with_arguments: self.wants_arguments, after_posts: true });
    }
}
