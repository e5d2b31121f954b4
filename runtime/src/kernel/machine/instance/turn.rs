//! What a turn takes from the mailbox, and what of it is made durable.

use crate::kernel::batch::{Append, Applied, Batch, NewInstance, Update};
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::engine::execution::{Action, Next as Following, TurnOutcome};
use crate::kernel::machine::answers::no_longer_awaited;
use crate::kernel::machine::calls::{Child, DueCalls};
use crate::kernel::machine::instance::jobs::{Began, Done, TurnJob, Turned, Vain};
use crate::kernel::machine::instance::parts::{Pending, Waiting};
use crate::kernel::machine::instance::{Effects, Instance, Next, Phase};
use crate::kernel::machine::message::{Ack, Message};
use crate::kernel::stored::{State, Status};
use crate::kernel::time::Timestamp;

impl Instance {
    /// The first turn was run: it is committed together with the instance.
    pub(super) fn began(&mut self, began: Began, fx: &mut Effects) {
        let Began { request, ack, now, name, started, turned } = began;
        let mut new = NewInstance {
            id: self.id.to_string(),
            name: name.to_owned(),
            parent: None,
            created_at: now,
            turn: Turn { at: now, events: Vec::new() },
            state: State::pending(),
            tags: request.tags,
        };
        let mut batch = Batch { purge: request.replaces, ..Batch::default() };
        let pending = match turned {
            Ok(done) => {
                let Done { execution, mut progress, outgoing } = *done;
                new.turn = Turn { at: progress.at, events: std::mem::take(&mut progress.events) };
                self.calls.record(&new.turn.events, &outgoing.attempts, &progress.actions);
                new.state = self.next_state(&progress, &new.turn.events);
                if let Some(next) = &progress.next {
                    next.orchestrator.name().clone_into(&mut new.name);
                    new.turn = first_turn(next, new.turn, now);
                }
                (batch.children, batch.tell) = (outgoing.children, self.cancelled_children(&progress.actions));
                batch.tell.extend(outgoing.messages);
                let pending = Pending {
                    actions: progress.actions,
                    attempts: outgoing.attempts,
                    refused: outgoing.refused,
                    acks: vec![ack],
                    turns: 1,
                    outcome: new.turn.events.last().and_then(Event::outcome),
                    next: Pending::following(new.turn.at, progress.next, outgoing.following),
                    ..Pending::of(new.state.clone())
                };
                pending.keeping(execution, fx)
            }
            Err(report) => {
                new.turn.events.push(started);
                new.state = State { status: Status::Suspended, report: Some(report), ..State::pending() };
                Pending { acks: vec![ack], turns: 1, sets_aside: true, ..Pending::of(new.state.clone()) }
            }
        };
        batch.create = Some(new);
        self.commit(batch, Vec::new(), pending, fx);
    }

    /// Runs a turn on all that waits, when there is a place for it.
    pub(super) fn turn(&mut self, now: Timestamp, fx: &mut Effects) {
        self.phase = Phase::Turning;
        let suspended_at = self.mailbox.iter().position(Message::is_suspend).filter(|_| self.fresh.is_none());
        if suspended_at == Some(0) {
            let asked = self.mailbox.remove(0);
            return self.suspend(now, asked, fx);
        }
        // An execution that always begins the next at once takes no other message.
        let is_interrupted = self.fresh.is_some() && self.state.status == Status::Running;
        if is_interrupted && self.mailbox.iter().any(Message::interrupts) {
            return self.queue(now, fx);
        }
        if !self.take_place(fx) {
            return;
        }
        if self.has_posted {
            // It comes before what is brought from now on, as whoever has sent both expects.
            fx.retired.extend(self.execution.take());
            return self.take_up(None, fx);
        }
        let later = suspended_at.map_or_else(Vec::new, |at| self.mailbox.split_off(at));
        let Some(execution) = self.execution.take() else { return };
        let is_suspended = self.state.status == Status::Suspended;
        // The first turn sees the time of the start, and no other event, so that a replay of the start sees the same.
        let fresh = self.fresh.take();
        let (at, mut messages): (_, Vec<_>) = match fresh {
            Some(started_at) => {
                let start = self.mailbox.remove(0);
                // A resumption has helped when the events that have come since can be read, too.
                let is_raised = |message: &Message| matches!(message.event, Some(Event::EventRaised { .. }));
                let has_events = self.mailbox.iter().any(is_raised);
                // What a resumption says of events that are put aside goes with it.
                let says = |message: &mut Message| {
                    let is_late = message.is_resume() && !is_suspended;
                    message.event.is_none() && !(message.resumes && has_events) || !message.without_events().is_empty() || is_late
                };
                let with = self.mailbox.extract_if(.., says);
                (started_at, std::iter::once(start).chain(with).collect())
            }
            None => (now, std::mem::replace(&mut self.mailbox, later)),
        };
        messages.retain(|message| self.is_of_a_call(message, fx));
        let due = if fresh.is_some() { DueCalls::default() } else { self.calls.take_due(now) };
        fx.next = Some(Next::Turn(Box::new(TurnJob {
            id: self.id.clone(),
            execution,
            now: at,
            messages,
            due,
            is_first: fresh.is_some(),
            is_suspended,
        })));
    }

    /// Whether a message is no end of another instance than one that was called. Where that is not known, the store is asked.
    fn is_of_a_call(&self, message: &Message, fx: &mut Effects) -> bool {
        let Some((call, ended)) = message.ended_child() else { return true };
        match self.calls.children.get(&call) {
            Some(Child { key: Some(called), .. }) => *called == ended,
            // After a reload.
            Some(Child { id, key: None }) => {
                fx.looked_at.push((call, id.clone()));
                false
            }
            // The call may be made in this very turn, by another run than the one that is meant.
            None => false,
        }
    }

    pub(super) fn turned(&mut self, now: Timestamp, turned: Turned, fx: &mut Effects) {
        let Turned { acks, consume, declined, turned } = turned;
        // Those that came through the inbox are consumed by the commit.
        declined.into_iter().for_each(|(message, error)| fx.refuse(message, &error));
        match turned {
            Ok(done) => self.record(now, *done, acks, consume, fx),
            Err(Vain { report, post, declined, ends }) => {
                self.mailbox.splice(..0, ends);
                self.park(now, report, Waiting { post, acks, declined, consume, ..Waiting::default() }, fx);
            }
        }
    }

    /// Makes a turn durable.
    fn record(&mut self, now: Timestamp, done: Done, mut acks: Vec<Ack>, mut consume: Vec<i64>, fx: &mut Effects) {
        let Done { execution, mut progress, outgoing } = done;
        let events = std::mem::take(&mut progress.events);
        if let Some(next) = &mut progress.next {
            // Also those that came during the turn, or a run that never waits would take none and answer nobody.
            let raised = self.mailbox.extract_if(.., |message| matches!(message.event, Some(Event::EventRaised { .. })));
            let mut carried = Vec::new();
            for message in raised {
                consume.extend(message.inbox);
                acks.extend(message.ack);
                carried.extend(message.event);
            }
            next.carry(carried);
        }
        self.calls.record(&events, &outgoing.attempts, &progress.actions);
        let mut tell = self.cancelled_children(&progress.actions);
        tell.extend(outgoing.messages);
        let (heartbeats, hushed) = self.calls.kept_heartbeats(self.key, &events, &progress.actions);
        let state = self.next_state(&progress, &events);
        let mut turn = Turn { at: progress.at, events };
        if let Some(next) = &progress.next {
            turn = first_turn(next, turn, now);
        }
        let update = (state != self.state).then(|| Update { instance: self.key, state: state.clone() });
        let outcome = turn.events.last().and_then(Event::outcome);
        let continues = progress.next.as_ref().map(|next| next.orchestrator.name().to_owned());
        let next = Pending::following(turn.at, progress.next, outgoing.following);
        let append = (!turn.events.is_empty()).then(|| Append { instance: self.key, number: self.turns + 1, turn });
        let pending = Pending {
            attempts: outgoing.attempts,
            refused: outgoing.refused,
            actions: progress.actions,
            acks,
            turns: u32::from(append.is_some()),
            outcome,
            next,
            ..Pending::of(state)
        };
        let children = outgoing.children;
        let takes_up = self.state.is_aside() && !pending.state.is_aside();
        let batch = Batch { append, continues, update, takes_up, children, consume, heartbeats, tell, ..Batch::default() };
        let pending = pending.keeping(execution, fx);
        if batch.append.is_none() && batch.update.is_none() && batch.consume.is_empty() && batch.tell.is_empty() {
            return self.settle(pending, Applied::default(), fx);
        }
        self.commit(batch, hushed, pending, fx);
    }

    /// The messages that end the sub-orchestrations nobody waits for any more. They are part of the turn, so that no crash lets one
    /// of them go on.
    fn cancelled_children(&self, actions: &[Action]) -> Vec<(String, Event)> {
        let dropped = actions.iter().filter_map(|action| match action {
            Action::Cancel { id } => self.calls.children.get(id),
            _ => None,
        });
        dropped.map(|child| (child.id.clone(), no_longer_awaited(&self.id))).collect()
    }

    fn next_state(&self, progress: &TurnOutcome, events: &[Event]) -> State {
        let status = match events.last() {
            Some(Event::ExecutionCompleted { .. }) => Status::Completed,
            Some(Event::ExecutionFailed { .. }) => Status::Failed,
            Some(Event::ExecutionTerminated { .. }) => Status::Terminated,
            _ => Status::Running,
        };
        let goes_on = !status.is_terminal();
        State {
            status,
            busy: goes_on && (progress.next.is_some() || !self.calls.work.is_empty()),
            wake_at: self.calls.next_due().filter(|_| goes_on),
            custom_status: progress.custom_status.clone().or_else(|| self.state.custom_status.clone()),
            report: None,
        }
    }
}

/// The first turn of the execution that follows the one whose last turn is given. Of that nothing is kept; what it left is in the
/// start of the next.
fn first_turn(next: &Following, last: Turn, now: Timestamp) -> Turn {
    let ended = last.events.into_iter().next_back();
    // An execution may take no time, and its uuids come from the time of its start.
    Turn { at: last.at.max(now), events: ended.into_iter().chain([next.started.clone()]).collect() }
}
