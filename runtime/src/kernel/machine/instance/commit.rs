//! A commit on its way through the store, and what it lets out once it is applied.

use crate::kernel::batch::{Applied, Batch, Refused};
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::engine::execution::{Action, Execution};
use crate::kernel::error::{ErrorClass, ErrorKind, RuntimeError};
use crate::kernel::function::Recorded;
use crate::kernel::machine::code::Planned;
use crate::kernel::machine::instance::parts::{Pending, Waiting};
use crate::kernel::machine::instance::{Commit, Effects, Ended, Instance, Left, Next, Phase, Start};
use crate::kernel::machine::message::Message;
use crate::kernel::stored::Status;
use crate::kernel::time::Timestamp;

/// Whether the content of a turn is what the store cannot take. Other refusals say that the history is not what the turn began with.
fn cannot_be_kept(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TooLarge | ErrorKind::Store | ErrorKind::Unreadable)
}

impl Instance {
    pub(super) fn commit(&mut self, batch: Batch, hushed: Vec<CallId>, mut pending: Pending, fx: &mut Effects) {
        pending.creates = batch.create.is_some();
        self.pending = Some(Box::new(pending));
        fx.next = Some(Next::Commit(Box::new(Commit { batch, hushed })));
    }

    pub(super) fn applied(&mut self, applied: Applied, fx: &mut Effects) {
        if let Some(pending) = self.pending.take() {
            self.settle(*pending, applied, fx);
        }
    }

    /// The commit will never be applied. Of a turn that the store cannot keep nothing has happened: what it took from the inbox is there
    /// still, and whoever else asked for something is refused.
    pub(super) fn refused(&mut self, now: Timestamp, refused: Refused, fx: &mut Effects) {
        let Some(pending) = self.pending.take() else { return };
        let error = refused.error;
        fx.retired.extend(pending.execution);
        fx.retired.extend(pending.next.map(|(_, _, execution)| execution));
        fx.acks.extend(pending.acks.into_iter().map(|ack| (ack, Err(error.clone()))));
        fx.acks.extend(pending.declined.into_iter().map(|(ack, error)| (ack, Err(error))));
        let is_permanent = error.class() == ErrorClass::Permanent && !pending.creates;
        if is_permanent && !pending.sets_aside && cannot_be_kept(error.kind()) && self.phase != Phase::Gone {
            return self.park(now, cannot_write(&error), Waiting::default(), fx);
        }
        if is_permanent {
            tracing::error!(instance = %self.id, %error, "a turn was refused; the instance is unloaded");
        }
        let left = self.leave(fx);
        fx.left = if pending.creates { Left::Sent(left) } else { Left::Refused(left, error) };
    }

    /// Brings the instance to where its commit has brought the store, and lets out what that decided.
    pub(super) fn settle(&mut self, pending: Pending, applied: Applied, fx: &mut Effects) {
        let Pending { execution, attempts, refused, actions, acks, declined, state, turns, outcome, next, sets_aside, .. } =
            pending;
        fx.committed = true;
        fx.acks.extend(acks.into_iter().map(|ack| (ack, Ok(()))));
        fx.acks.extend(declined.into_iter().map(|(ack, error)| (ack, Err(error))));
        fx.created_children = applied.children.iter().any(Option::is_some);
        if let Some(key) = applied.created {
            self.key = key;
            self.mailbox.retain(|message| message.is_for(key));
        }
        self.turns += turns;
        fx.begun = self.state.status == Status::Pending && state.status != Status::Pending;
        // What came for it while it was set aside is handed out from now on.
        fx.wrote_messages = self.state.is_aside() && !state.is_aside();
        self.state = state;
        if self.phase == Phase::Gone {
            fx.retired.extend(execution);
            return fx.retired.extend(next.map(|(_, _, execution)| execution));
        }
        self.execution = execution;
        if let Some((at, started, execution)) = next {
            (self.turns, self.fresh, self.execution) = (1, Some(at), Some(execution));
            self.mailbox.insert(0, Message::of(started));
        }
        self.act(actions, refused, applied, fx);
        attempts.into_iter().for_each(|planned| self.start(planned, fx));
        if outcome.is_some() {
            fx.cancelled.extend(self.calls.running.drain());
            self.calls.stop_timers();
        }
        self.arm(fx);
        match outcome {
            Some(outcome) => self.end(outcome, sets_aside, fx),
            None => self.go_on(sets_aside, fx),
        }
    }

    /// Follows what the turn has decided.
    fn act(&mut self, actions: Vec<Action>, refused: Vec<(CallId, Event)>, applied: Applied, fx: &mut Effects) {
        let mut children = applied.children.into_iter();
        for action in actions {
            match action {
                Action::StartActivity { .. } | Action::StartTimer { .. } => {}
                Action::StartChild { id, .. } if refused.iter().any(|(call, _)| *call == id) => {
                    for (_, event) in refused.iter().filter(|(call, _)| *call == id) {
                        if let Event::SubOrchestrationInstanceFailed { failure, .. } = event {
                            tracing::warn!(instance = %self.id, %failure, "a sub-orchestration was not started");
                        }
                        self.mailbox.push(Message::of(event.clone()));
                    }
                }
                Action::StartChild { id, instance, detached, .. } => match children.next().flatten() {
                    Some(key) => {
                        if let Some(child) = self.calls.children.get_mut(&id) {
                            child.key = Some(key);
                        }
                    }
                    None if detached => {
                        tracing::warn!(instance = %self.id, child = instance, "a detached orchestration was not started: its id exists already");
                    }
                    // Of this call all the same, when a rewind has begun the call anew.
                    None => fx.looked_at.push((id, instance)),
                },
                Action::TellEntity { .. } => fx.wrote_to_entities = true,
                Action::Cancel { id } => {
                    if self.calls.running.remove(&id) {
                        fx.cancelled.push(id);
                    }
                    fx.wrote_messages |= self.calls.children.remove(&id).is_some();
                }
            }
        }
    }

    /// The run has ended.
    fn end(&mut self, outcome: Recorded, without_a_turn: bool, fx: &mut Effects) {
        self.phase = Phase::Gone;
        fx.wrote_messages |= without_a_turn;
        fx.gone = true;
        fx.ended = Some(Ended { key: self.key, parent: self.parent.clone(), outcome, without_a_turn });
        // Its calls end with it; after a rewind they are made anew.
        let is_of_a_call = |message: &Message| message.ended.is_some() || message.ended_attempt().is_some();
        let left = std::mem::take(&mut self.mailbox).into_iter().filter(|message| !is_of_a_call(message));
        fx.left = Left::Sent(left.map(|message| message.left_by(self.key)).collect());
        self.leave_place(fx);
    }

    fn go_on(&mut self, sets_aside: bool, fx: &mut Effects) {
        let can_wait = if sets_aside { self.calls.running.is_empty() } else { self.calls.only_children() };
        if can_wait {
            // Also where a turn follows: those in line go first.
            self.leave_place(fx);
        }
        if !self.mailbox.is_empty() {
            self.phase = Phase::Turning;
            fx.next = Some(Next::Work);
            return;
        }
        self.phase = if sets_aside { Phase::SetAside } else { Phase::Resting };
        if sets_aside || can_wait {
            self.list(fx);
        }
    }

    /// Starts an attempt, unless one of the same call still runs.
    pub(super) fn start(&mut self, planned: Planned, fx: &mut Effects) {
        let Planned { call, attempt } = planned;
        if self.calls.running.contains(&call) {
            return;
        }
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(failure) => return self.mailbox.push(Message::of(Event::TaskFailed { id: call, failure, retry_at: None })),
        };
        self.calls.running.insert(call);
        fx.starts.push(Start {
            owner: self.key,
            call,
            activity: attempt.activity,
            limit_key: attempt.limit_key,
            input: attempt.input,
            attempt: attempt.number,
            limits: attempt.limits,
            // The store's number is in it, so that an id that is used again after a purge gives other keys.
            idempotency_key: format!("{}/{}/{call}", self.id, self.key),
            last_heartbeat: self.calls.heartbeats.get(&call).cloned(),
            trace: self.execution.as_ref().and_then(Execution::trace).cloned().map(Box::new),
        });
    }
}

/// The report of a run whose turn the store cannot keep.
fn cannot_write(error: &RuntimeError) -> String {
    format!(
        "{error}\n  nothing is lost: the run is parked; resume it with code or settings that produce a turn the store can keep"
    )
}
