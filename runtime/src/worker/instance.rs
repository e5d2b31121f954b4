//! One instance in a worker: its mailbox, its turns, its commits.
//!
//! Invariant: at most one turn or commit of an instance is under way. What arrives meanwhile waits in the mailbox, and the
//! next turn takes all of it. User code runs and is dropped in [`Instance::work`] and [`Worker::retire`] only: in a task of the executor,
//! with no lock held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::event::{CallId, Event, Turn};
use crate::engine::execution::{Action, Execution, Next, Progress};
use crate::error::{ErrorKind, RuntimeError};
use crate::failure::{Failure, FailureKind};
use crate::payload::Payload;
use crate::store::kept::Arguments;
use crate::store::trouble::Backoff;
use crate::store::{Append, Applied, Batch, InstanceKey, NewInstance, Parent, State, Status, Timestamp, Update};
use crate::worker::Worker;
use crate::worker::calls::{Calls, Child, Due};
use crate::worker::commit::Commit;
use crate::worker::entities::address;
use crate::worker::message::{Ack, Message};
use crate::worker::parking::{Waiting, cannot_resume, wrong_state};
use crate::worker::request::Request;

/// An instance this worker knows of.
pub(crate) struct Instance {
    pub(super) id: Arc<str>,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) phase: Phase,
    pub(super) mailbox: Vec<Message>,
    pub(super) key: InstanceKey,
    pub(super) parent: Option<Parent>,
    /// When the generation was started whose first turn has not run yet.
    pub(super) fresh: Option<Timestamp>,
    /// How many turns the history has.
    pub(super) turns: u32,
    /// The suspended orchestrator; away during a turn, gone while parked.
    pub(super) execution: Option<Execution>,
    /// As the store has it.
    pub(super) state: State,
    /// What the next reading of the history brings of its calls.
    pub(super) arguments: Arguments,
    /// The highest inbox number that has reached the mailbox.
    pub(super) inbox: i64,
    pub(super) calls: Calls,
    /// Its entry in the worker's clock.
    pub(super) armed: Option<Timestamp>,
    /// Whether it stands in the worker's list of what can be evicted.
    pub(super) listed: bool,
    /// Whether it has one of the worker's places.
    pub(super) has_place: bool,
    /// Whether it waits for one.
    pub(super) in_line: bool,
    /// Whether a message was posted to its inbox while it waited for a place.
    pub(super) has_posted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its history is being read.
    Loading,
    /// It waits.
    Resting,
    /// A turn or a commit is under way, or about to begin.
    Turning,
    /// It waits for a place: to run a turn, or to be read where it has no execution.
    Queued,
    /// It is not to be run now; its messages go to the inbox.
    Parked,
    /// It is no longer in the worker's map.
    Gone,
}

/// What became of a message.
pub(crate) enum Delivered {
    /// A turn that is under way, or about to begin, takes it.
    Taken,
    /// The instance was at rest, and whoever has delivered lets it [work](Instance::work).
    Wakes,
    /// The instance is no longer in memory.
    Gone(Box<Message>),
}

impl Instance {
    /// An instance whose history has to be read first.
    pub(crate) fn unloaded(id: Arc<str>) -> Arc<Self> {
        Self::in_phase(id, Phase::Loading, None)
    }

    /// An instance that is being created. It has a place.
    pub(crate) fn created(id: Arc<str>, parent: Option<Parent>) -> Arc<Self> {
        Self::in_phase(id, Phase::Turning, parent)
    }

    fn in_phase(id: Arc<str>, phase: Phase, parent: Option<Parent>) -> Arc<Self> {
        let inner = Inner {
            phase,
            mailbox: Vec::new(),
            key: 0,
            parent,
            fresh: None,
            turns: 0,
            execution: None,
            state: State::pending(),
            arguments: Arguments::Digests,
            inbox: 0,
            calls: Calls::default(),
            armed: None,
            listed: false,
            has_place: phase == Phase::Turning,
            in_line: false,
            has_posted: false,
        };
        Arc::new(Self { id, inner: Mutex::new(inner) })
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Its key in the store; 0 until it is created or read.
    pub(crate) fn key(&self) -> InstanceKey {
        self.lock().key
    }

    /// Notes which instance a call has made, if this one has the key `own`.
    pub(super) fn note_child(&self, own: InstanceKey, call: CallId, child: InstanceKey) {
        let mut inner = self.lock();
        if inner.key == own
            && let Some(called) = inner.calls.children.get_mut(&call)
        {
            called.key.get_or_insert(child);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the first turn of a new instance and commits it together with the instance.
    pub(crate) fn start(self: &Arc<Self>, worker: &Arc<Worker>, mut execution: Execution, request: Request, ack: Ack) {
        let now = worker.now();
        let started = request.started(execution.shape());
        let turned = worker.turn(&mut execution, now, vec![started.clone()]);
        let mut new = NewInstance {
            id: self.id.to_string(),
            name: execution.name().to_owned(),
            parent: None,
            created_at: now,
            turn: Turn { at: now, events: Vec::new() },
            state: State::pending(),
            tags: request.tags,
        };
        let mut trace = None;
        let mut commit = match turned {
            Ok(mut progress) => {
                new.turn = Turn { at: progress.at, events: std::mem::take(&mut progress.events) };
                new.state = {
                    let mut inner = self.lock();
                    inner.calls.record(&new.turn.events, &progress.actions);
                    inner.next_state(&progress, &new.turn.events)
                };
                if let Some(next) = &progress.next {
                    next.orchestrator.name().clone_into(&mut new.name);
                    new.turn = first_turn(next, new.turn, now);
                }
                let outcome = new.turn.events.last().and_then(Event::outcome);
                let next = progress.next.map(|next| (new.turn.at, next));
                trace = execution.trace().cloned();
                Commit {
                    execution: Some(execution).filter(|_| outcome.is_none() && next.is_none()),
                    actions: progress.actions,
                    acks: vec![ack],
                    turns: 1,
                    outcome,
                    next,
                    ..Commit::of(new.state.clone())
                }
            }
            Err(parked) => {
                new.turn.events.push(started);
                let report = Some(self.report(worker, parked.report));
                new.state = State { status: Status::Suspended, report, ..State::pending() };
                drop(execution);
                Commit { acks: vec![ack], turns: 1, sets_aside: true, ..Commit::of(new.state.clone()) }
            }
        };
        let mut children = worker.children(&self.id, now, &commit.actions, trace.as_ref());
        let mut tell = self.lock().dismissed(&self.id, &commit.actions);
        address(now, &commit.actions, &mut children, &mut tell);
        commit.attempts = worker.attempts(&mut commit.actions);
        self.commit(
            worker,
            Batch { purge: request.replaces, create: Some(new), children, tell, ..Batch::default() },
            commit,
            Backoff::default(),
        );
    }

    /// Puts a message into the mailbox.
    pub(crate) fn try_deliver(&self, worker: &Worker, message: Message) -> Delivered {
        let mut inner = self.lock();
        if message.inbox.is_some_and(|number| number <= inner.inbox || worker.has_taken(number)) || !message.is_for(inner.key) {
            return Delivered::Taken;
        }
        if inner.phase == Phase::Gone {
            return Delivered::Gone(Box::new(message));
        }
        inner.mailbox.push(message);
        if matches!(inner.phase, Phase::Loading | Phase::Turning) {
            return Delivered::Taken;
        }
        inner.phase = Phase::Turning;
        Delivered::Wakes
    }

    /// Delivers the outcome of an attempt, in the task that ran it: the turn that takes it runs there, too. It is not for another instance
    /// that has the id by now.
    pub(crate) fn deliver(self: &Arc<Self>, worker: &Arc<Worker>, message: Message) {
        match self.try_deliver(worker, message) {
            Delivered::Taken => {}
            Delivered::Wakes => self.work(worker),
            Delivered::Gone(message) => worker.route(&self.id, Message { posted_for: Some(self.key()), ..*message }),
        }
    }

    /// The clock has rung and has taken its entry off.
    pub(crate) fn rung(self: &Arc<Self>, worker: &Arc<Worker>) {
        let key = {
            let mut inner = self.lock();
            inner.armed = None;
            inner.key
        };
        worker.route(&self.id, Message { posted_for: Some(key), ..Message::nudge() });
    }

    /// Deals with all that waits: with a turn, or, where the instance waits for a place or is set aside, without one.
    pub(super) fn work(self: &Arc<Self>, worker: &Arc<Worker>) {
        let inner = self.lock();
        if inner.phase != Phase::Turning {
            return;
        }
        if inner.in_line {
            self.queue(worker, inner);
        } else if inner.execution.is_some() {
            self.turn(worker, inner);
        } else {
            self.keep(worker, inner);
        }
    }

    /// The same in a task of its own.
    pub(super) fn work_later(self: &Arc<Self>, worker: &Arc<Worker>) {
        let (this, owner) = (self.clone(), worker.clone());
        worker.spawn(async move { this.work(&owner) });
    }

    /// Whether a turn or a commit is under way.
    pub(crate) fn is_turning(&self) -> bool {
        self.lock().phase == Phase::Turning
    }

    /// An attempt has ended, whatever came of it.
    pub(crate) fn attempt_ended(&self, worker: &Arc<Worker>, call: CallId, last_heartbeat: Option<Payload>) {
        let mut inner = self.lock();
        inner.calls.running.remove(&call);
        if inner.phase == Phase::Parked && inner.calls.running.is_empty() {
            self.leave_place(worker, &mut inner);
        }
        if let Some(details) = last_heartbeat {
            inner.calls.heartbeats.insert(call, details);
        }
    }

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
        // The first turn sees the time of the start, and no other event, so that a replay of the start sees the same.
        let (now, mut mailbox): (_, Vec<_>) = match fresh {
            Some(started_at) => {
                let start = inner.mailbox.remove(0);
                // What a resumption says of events that are put aside goes with it.
                let says = |message: &mut Message| message.event.is_none() || !message.without_events().is_empty();
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
        let is_suspended = inner.state.status == Status::Suspended;
        let due = if fresh.is_some() { Due::default() } else { inner.calls.take_due(now) };
        inner.inbox = mailbox.iter().filter_map(|message| message.inbox).fold(inner.inbox, i64::max);
        drop(inner);

        let (mut events, mut acks, mut consume) = (Vec::with_capacity(mailbox.len()), Vec::new(), Vec::new());
        let mut resumes = Vec::new();
        for message in mailbox {
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
                self.park(worker, report, Waiting { post: parked.incoming, acks, consume, ..Waiting::default() });
            }
        }
    }

    /// What is told to whoever raises an event of another type than the instance waits for.
    pub(super) fn wrong_type(&self, worker: &Worker, failure: &Failure) -> RuntimeError {
        let why = worker.store().payloads().values().told(failure);
        let text = format!("the event was not raised: `{}` waits for another type: {why}", self.id);
        RuntimeError::new(ErrorKind::Invalid, text)
    }

    /// Makes a turn durable.
    fn record(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        execution: Execution,
        mut progress: Progress,
        acks: Vec<Ack>,
        consume: Vec<i64>,
    ) {
        let events = std::mem::take(&mut progress.events);
        let mut inner = self.lock();
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

    /// Stands in the worker's list of what can be evicted.
    pub(super) fn list(self: &Arc<Self>, worker: &Worker) {
        if !std::mem::replace(&mut self.lock().listed, true) {
            worker.idle(self);
        }
    }

    pub(super) fn arm(&self, worker: &Arc<Worker>, inner: &mut Inner) {
        let start = inner.state.wake_at.filter(|_| inner.state.status == Status::Pending);
        let next = inner.calls.next_due().or(start);
        worker.clock().set(&self.id, inner.armed, next);
        inner.armed = next;
    }
}

impl Inner {
    /// The messages that end the sub-orchestrations nobody waits for any more. They are part of the turn, so that no crash lets one
    /// of them go on.
    fn dismissed(&self, id: &str, actions: &[Action]) -> Vec<(String, Event)> {
        let dropped = actions.iter().filter_map(|action| match action {
            Action::Cancel { id } => self.calls.children.get(id),
            _ => None,
        });
        dropped.map(|child| (child.id.clone(), no_longer_awaited(id))).collect()
    }

    fn next_state(&self, progress: &Progress, events: &[Event]) -> State {
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

/// What ends a sub-orchestration for which its caller no longer waits.
pub(crate) fn no_longer_awaited(caller: &str) -> Event {
    Event::ExecutionTerminated { reason: format!("`{caller}` no longer waits for it") }
}

/// The first turn of the generation that follows the one whose last turn is given. Of that nothing is kept; what it left is in the
/// start of the next.
fn first_turn(next: &Next, last: Turn, now: Timestamp) -> Turn {
    let ended = last.events.into_iter().next_back();
    // A generation may take no time, and its uuids come from the time of its start.
    Turn { at: last.at.max(now), events: ended.into_iter().chain([next.started.clone()]).collect() }
}

/// What the caller of a sub-orchestration is told when its id belongs to another instance.
pub(crate) fn id_taken(id: CallId, instance: &str) -> Event {
    let message =
        format!("an orchestration with the id `{instance}` exists already; give the sub-orchestration another `.id(..)`");
    let failure = Failure::new(FailureKind::Runtime, message).non_retryable();
    Event::SubOrchestrationInstanceFailed { id, failure, retry_at: None }
}
