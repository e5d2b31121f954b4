//! One instance in a worker: its mailbox, its turns, its commits.
//!
//! Invariant: at most one turn or commit of an instance is under way. What arrives meanwhile waits in the mailbox, and the
//! next turn takes all of it. User code runs and is dropped in [`Instance::work`] and [`Worker::retire`] only: in a task of the executor,
//! with no lock held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernel::engine::event::{CallId, Event, Turn};
use crate::kernel::engine::execution::Execution;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::Payload;
use crate::store::kept::Arguments;
use crate::store::trouble::Backoff;
use crate::store::{Batch, InstanceKey, NewInstance, Parent, State, Status, Timestamp};
use crate::worker::Worker;
use crate::worker::calls::Calls;
use crate::worker::commit::Commit;
use crate::worker::entities::address;
use crate::worker::message::{Ack, Message};
use crate::worker::request::Request;
use crate::worker::turn::first_turn;

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

/// What ends a sub-orchestration for which its caller no longer waits.
pub(crate) fn no_longer_awaited(caller: &str) -> Event {
    Event::ExecutionTerminated { reason: format!("`{caller}` no longer waits for it") }
}

/// What the caller of a sub-orchestration is told when its id belongs to another instance.
pub(crate) fn id_taken(id: CallId, instance: &str) -> Event {
    let message =
        format!("an orchestration with the id `{instance}` exists already; give the sub-orchestration another `.id(..)`");
    let failure = Failure::new(FailureKind::Runtime, message).non_retryable();
    Event::SubOrchestrationInstanceFailed { id, failure, retry_at: None }
}
