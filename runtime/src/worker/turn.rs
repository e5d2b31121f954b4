//! The turns of an instance: what a turn takes from the mailbox, and what of it is made durable.

use std::sync::{Arc, MutexGuard, Weak};

use crate::kernel::engine::event::{Event, NotTaken, Turn};
use crate::kernel::engine::execution::{Action, Execution, GivenUp, Next, Progress};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::registration::Registration;
use crate::store::trouble::Backoff;
use crate::store::{Append, Applied, Batch, State, Status, Timestamp, Update};
use crate::worker::Worker;
use crate::worker::calls::{Child, Due};
use crate::worker::commit::Commit;
use crate::worker::entities::address;
use crate::worker::instance::{Inner, Instance, Phase, no_longer_awaited};
use crate::worker::message::{Ack, Message};
use crate::worker::parking::{Waiting, cannot_resume, wrong_state};

impl Worker {
    /// An execution without a history.
    pub(crate) fn execution(self: &Arc<Self>, orchestrator: Registration, id: &Arc<str>) -> Execution {
        let values = self.store.payloads().values();
        Execution::new(orchestrator, id.clone(), self.alarm(id)).telling(values).verified(self.verify)
    }

    /// Runs a turn of an execution.
    pub(crate) fn turn(&self, execution: &mut Execution, now: Timestamp, incoming: Vec<Event>) -> Result<Progress, GivenUp> {
        let mut progress = execution.turn(now, incoming)?;
        if let Some(Event::ExecutionCompleted { result }) = progress.events.last()
            && let Some(excess) = self.store.payloads().excess(format_args!("the result of `{}`", execution.name()), result)
        {
            progress.events.pop();
            progress.events.push(Event::ExecutionFailed { failure: Failure::new(FailureKind::Codec, excess) });
        }
        let not_taken = progress.events.iter().rev().find_map(|event| match event {
            Event::EventsNotTaken { events } => Some(events),
            _ => None,
        });
        for NotTaken { name, count } in not_taken.into_iter().flatten() {
            tracing::warn!(
                instance = execution.instance(),
                event = name,
                count,
                "an orchestration has ended without taking events raised to it"
            );
        }
        // A generation that could not be taken up after a restart must not begin.
        let next = progress.next.as_ref().map(|next| (next.orchestrator.name(), next.orchestrator.version()));
        if let Some((name, version)) = next
            && self.registry.version(name, version).is_none()
        {
            let incoming = progress.events.into_iter().filter(Event::is_incoming).collect();
            return Err(GivenUp { report: self.not_registered(name, version).into(), incoming });
        }
        Ok(progress)
    }

    /// The report of a run whose orchestrator this process does not have.
    pub(crate) fn not_registered(&self, name: &str, version: u32) -> String {
        let why = self.registry.not_registered(name, version);
        format!("{why}\n  nothing is lost: the run is parked; start a build that has it")
    }

    /// What an execution calls when something outside its turns wakes it.
    fn alarm(self: &Arc<Self>, id: &Arc<str>) -> Box<dyn Fn() + Send + Sync> {
        let (worker, id): (Weak<Self>, _) = (Arc::downgrade(self), id.clone());
        Box::new(move || {
            if let Some(worker) = worker.upgrade() {
                worker.route(&id, Message::nudge());
            }
        })
    }
}

impl Instance {
    /// Runs a turn on all that waits, when there is a place for it.
    pub(super) fn turn<'i>(self: &'i Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'i, Inner>) {
        let suspended_at = inner.mailbox.iter().position(Message::is_suspend).filter(|_| inner.fresh.is_none());
        if suspended_at == Some(0) {
            let asked = inner.mailbox.remove(0);
            return self.suspend(worker, inner, asked);
        }
        // A generation that always begins the next at once takes no other message.
        let is_interrupted = inner.fresh.is_some() && inner.state.status == Status::Running;
        if is_interrupted && inner.mailbox.iter().any(Message::interrupts) || !self.take_place(worker, &mut inner) {
            return self.queue(worker, inner);
        }
        let later = suspended_at.map_or_else(Vec::new, |at| inner.mailbox.split_off(at));
        inner.phase = Phase::Turning;
        let Some(mut execution) = inner.execution.take() else { return };
        let fresh = inner.fresh.take();
        let is_suspended = inner.state.status == Status::Suspended;
        // The first turn sees the time of the start, and no other event, so that a replay of the start sees the same.
        let (now, mut mailbox): (_, Vec<_>) = match fresh {
            Some(started_at) => {
                let start = inner.mailbox.remove(0);
                // What a resumption says of events that are put aside goes with it.
                let says = |message: &mut Message| {
                    let is_late = message.is_resume() && !is_suspended;
                    message.event.is_none() || !message.without_events().is_empty() || is_late
                };
                let with = inner.mailbox.extract_if(.., says);
                (started_at, std::iter::once(start).chain(with).collect())
            }
            None => (worker.now(), std::mem::replace(&mut inner.mailbox, later)),
        };
        mailbox.retain(|message| match message.ended_child() {
            None => true,
            Some((call, ended)) => match inner.calls.children.get(&call) {
                Some(Child { key: Some(called), .. }) => *called == ended,
                // Of which instance it is the end is not known after a reload: the store knows.
                Some(Child { id, key: None }) => {
                    worker.check_child(&self.id, inner.key, call, id.clone());
                    false
                }
                None => true,
            },
        });
        let due = if fresh.is_some() { Due::default() } else { inner.calls.take_due(now) };
        inner.inbox = mailbox.iter().filter_map(|message| message.inbox).fold(inner.inbox, i64::max);
        drop(inner);

        let (mut events, mut acks, mut consume) = (Vec::with_capacity(mailbox.len()), Vec::new(), Vec::new());
        let (mut resumes, mut ends) = (Vec::new(), Vec::new());
        for message in mailbox {
            if matches!(message.event, Some(Event::ExecutionTerminated { .. })) {
                events.extend(message.event.clone());
                worker.take(message.inbox.as_slice());
                ends.push(message);
                continue;
            }
            consume.extend(message.inbox);
            if message.is_resume() && !is_suspended {
                message.refuse(wrong_state(&self.id, "it is not suspended"));
                continue;
            }
            // Whoever can be told is told; an event that came through the inbox fails the wait it reaches.
            let refused = message.ack.as_ref().and(message.event.as_ref()).and_then(|event| execution.refuses(event));
            if let Some(failure) = refused {
                message.refuse(self.wrong_type(worker, &failure));
                continue;
            }
            let asked = if message.is_resume() { &mut resumes } else { &mut acks };
            asked.extend(message.ack);
            events.extend(message.event);
        }
        worker.take(&consume);
        events.extend(due.fired);
        match worker.turn(&mut execution, now, events) {
            Ok(mut progress) => {
                progress.actions.extend(due.attempts);
                for end in ends {
                    acks.extend(end.ack);
                    consume.extend(end.inbox);
                }
                if fresh.is_some() {
                    progress.events.remove(0);
                    // What was decided at the time of the start is written now, and what has ended has ended now.
                    progress.at = progress.at.max(worker.now());
                }
                acks.extend(resumes);
                self.record(worker, execution, progress, acks, consume);
            }
            Err(mut parked) => {
                drop(execution);
                // The start is in the history already, and a resumption is refused.
                parked.incoming.retain(|event| !matches!(event, Event::ExecutionStarted { .. } | Event::ExecutionResumed { .. }));
                let report = self.report(worker, parked.report);
                let refused = cannot_resume(&self.id, &report);
                resumes.into_iter().for_each(|ack| drop(ack.send(Err(refused.clone()))));
                // What ends the run ends it also where no turn can.
                parked.incoming.retain(|event| !matches!(event, Event::ExecutionTerminated { .. }));
                self.lock().mailbox.splice(..0, ends);
                self.park(worker, report, Waiting { post: parked.incoming, acks, consume, ..Waiting::default() });
            }
        }
    }

    /// What is told to whoever raises an event of another type than the instance waits for.
    pub(super) fn wrong_type(&self, worker: &Worker, failure: &Failure) -> RuntimeError {
        let why = worker.store().payloads().values().told(failure);
        let text = format!("cannot raise the event: `{}` waits for another type: {why}", self.id);
        RuntimeError::new(ErrorKind::Invalid, text)
    }

    /// Makes a turn durable.
    fn record(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        execution: Execution,
        mut progress: Progress,
        mut acks: Vec<Ack>,
        mut consume: Vec<i64>,
    ) {
        let events = std::mem::take(&mut progress.events);
        let mut inner = self.lock();
        if let Some(next) = &mut progress.next {
            // Also those that came during the turn, or a run that never waits would take none and answer nobody.
            let raised = inner.mailbox.extract_if(.., |message| matches!(message.event, Some(Event::EventRaised { .. })));
            let (mut carried, mut numbers) = (Vec::new(), Vec::new());
            for message in raised {
                numbers.extend(message.inbox);
                acks.extend(message.ack);
                carried.extend(message.event);
            }
            inner.inbox = numbers.iter().copied().fold(inner.inbox, i64::max);
            next.carry(carried);
            worker.take(&numbers);
            consume.extend(numbers);
        }
        inner.calls.record(&events, &progress.actions);
        let key = inner.key;
        let mut tell = inner.dismissed(&self.id, &progress.actions);
        let heartbeats = inner.calls.kept_heartbeats(key, &events, &progress.actions);
        let state = inner.next_state(&progress, &events);
        let mut turn = Turn { at: progress.at, events };
        if let Some(next) = &progress.next {
            turn = first_turn(next, turn, worker.now());
        }
        let changed = (state != inner.state).then(|| Update { instance: inner.key, state: state.clone() });
        let outcome = turn.events.last().and_then(Event::outcome);
        let continues = progress.next.as_ref().map(|next| next.orchestrator.name().to_owned());
        let next = progress.next.map(|next| (turn.at, next));
        let append = (!turn.events.is_empty()).then(|| Append { instance: inner.key, number: inner.turns + 1, turn });
        drop(inner);
        let mut children = worker.children(&self.id, progress.at, &progress.actions, execution.trace());
        address(progress.at, &progress.actions, &mut children, &mut tell);
        let turns = u32::from(append.is_some());
        // One that has ended is dropped here.
        let execution = Some(execution).filter(|_| outcome.is_none() && next.is_none());
        let attempts = worker.attempts(&mut progress.actions);
        let commit = Commit { execution, attempts, actions: progress.actions, acks, turns, outcome, next, ..Commit::of(state) };
        if append.is_none() && changed.is_none() && consume.is_empty() && tell.is_empty() {
            return self.committed(worker, commit, Applied::default());
        }
        self.commit(
            worker,
            Batch { append, continues, update: changed, children, consume, heartbeats, tell, ..Batch::default() },
            commit,
            Backoff::default(),
        );
    }
}

impl Inner {
    /// The messages that end the sub-orchestrations nobody waits for any more. They are part of the turn, so that no crash lets one
    /// of them go on.
    pub(super) fn dismissed(&self, id: &str, actions: &[Action]) -> Vec<(String, Event)> {
        let dropped = actions.iter().filter_map(|action| match action {
            Action::Cancel { id } => self.calls.children.get(id),
            _ => None,
        });
        dropped.map(|child| (child.id.clone(), no_longer_awaited(id))).collect()
    }

    pub(super) fn next_state(&self, progress: &Progress, events: &[Event]) -> State {
        let status = match events.last() {
            Some(Event::ExecutionCompleted { .. }) => Status::Completed,
            Some(Event::ExecutionFailed { .. }) => Status::Failed,
            Some(Event::ExecutionTerminated { .. }) => Status::Terminated,
            _ => Status::Running,
        };
        let going = !status.is_terminal();
        State {
            status,
            busy: going && (progress.next.is_some() || !self.calls.work.is_empty()),
            wake_at: self.calls.next_due().filter(|_| going),
            custom_status: progress.custom_status.clone().or_else(|| self.state.custom_status.clone()),
            report: None,
        }
    }
}

/// The first turn of the generation that follows the one whose last turn is given. Of that nothing is kept; what it left is in the
/// start of the next.
pub(super) fn first_turn(next: &Next, last: Turn, now: Timestamp) -> Turn {
    let ended = last.events.into_iter().next_back();
    // A generation may take no time, and its uuids come from the time of its start.
    Turn { at: last.at.max(now), events: ended.into_iter().chain([next.started.clone()]).collect() }
}
