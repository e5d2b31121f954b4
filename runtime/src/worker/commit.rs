//! A turn on its way through the store, and what it lets out once it is durable.

use std::sync::Arc;

use futures::future::AbortHandle;

use crate::activity::Signals;
use crate::kernel::engine::event::{CallId, Event, Parent};
use crate::kernel::engine::execution::{Action, Execution, Next};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::{Limits, Recorded};
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::store::trouble::Backoff;
use crate::store::{Applied, Batch, ErrorClass, InstanceKey, Refused, State, Status, Timestamp};
use crate::worker::Worker;
use crate::worker::calls::Running;
use crate::worker::instance::{Inner, Instance, Phase};
use crate::worker::lanes::Lane;
use crate::worker::message::{Ack, Message};
use crate::worker::parking::Waiting;
use crate::worker::pool::Job;

/// A turn on its way through the store.
pub(super) struct Commit {
    /// The suspended orchestrator; nothing when it has ended or is set aside.
    pub(super) execution: Option<Execution>,
    pub(super) attempts: Vec<Planned>,
    pub(super) actions: Vec<Action>,
    pub(super) acks: Vec<Ack>,
    pub(super) state: State,
    /// How many turns it adds to the history.
    pub(super) turns: u32,
    pub(super) outcome: Option<Recorded>,
    /// The generation that follows, and when it was started.
    pub(super) next: Option<(Timestamp, Next)>,
    /// Whether the instance is set aside by it.
    pub(super) sets_aside: bool,
}

impl Commit {
    /// One that changes the state only.
    pub(super) fn of(state: State) -> Self {
        Self {
            execution: None,
            attempts: Vec::new(),
            actions: Vec::new(),
            acks: Vec::new(),
            state,
            turns: 0,
            outcome: None,
            next: None,
            sets_aside: false,
        }
    }
}

/// What a durable turn lets out.
#[derive(Default)]
struct Effects {
    jobs: Vec<Job>,
    acks: Vec<Ack>,
    /// Calls whose sub-orchestration was not created, because its id exists.
    taken: Vec<(CallId, String)>,
    cancelled: Vec<Running>,
    /// Whether it has put something into the inbox: for orchestrations, and for entities.
    tells: bool,
    asks: bool,
    begun: bool,
    works: bool,
    rests: bool,
    ended: Option<Ended>,
    retired: Option<Execution>,
}

/// The end of a run.
struct Ended {
    parent: Option<Parent>,
    outcome: Recorded,
    /// Whether it ended without a turn, so that its locks are not given back by it.
    aside: bool,
    left: Vec<Message>,
}

/// Whether the content of a turn is what the store cannot take. Other refusals say that the history is not what the turn began with.
fn cannot_be_kept(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TooLarge | ErrorKind::Store | ErrorKind::Unreadable)
}

impl Instance {
    /// Applies a batch until it is applied. Only a start gives up: its caller can be told.
    pub(super) fn commit(self: &Arc<Self>, worker: &Arc<Worker>, mut batch: Batch, commit: Commit, tries: Backoff) {
        batch.epoch = Some(worker.epoch());
        let (this, owner) = (self.clone(), worker.clone());
        let reply = move |result: Result<Applied, Box<Refused>>| match result {
            Ok(applied) => this.committed(&owner, commit, applied),
            Err(refused) => this.refused(&owner, *refused, commit, tries),
        };
        worker.store().apply(batch, Box::new(reply));
    }

    fn refused(self: &Arc<Self>, worker: &Arc<Worker>, refused: Refused, commit: Commit, mut tries: Backoff) {
        let Refused { error, batch } = refused;
        let is_start = batch.create.is_some();
        match error.class() {
            ErrorClass::Passing if !is_start => {
                if tries.is_news() {
                    tracing::error!(instance = %self.id, %error, "failed to write a turn; retrying");
                }
                let pause = tries.pause();
                let (this, owner) = (self.clone(), worker.clone());
                return worker.spawn(async move {
                    tokio::time::sleep(pause).await;
                    this.commit(&owner, batch, commit, tries);
                });
            }
            ErrorClass::Permanent if !is_start && !commit.sets_aside && cannot_be_kept(error.kind()) => {
                return self.park_unwritten(worker, &error, commit);
            }
            ErrorClass::Permanent if !is_start => {
                tracing::error!(instance = %self.id, %error, "a turn was refused; the instance is unloaded");
            }
            ErrorClass::Fatal => worker.give_up(&error),
            ErrorClass::Passing | ErrorClass::Permanent => {}
        }
        worker.retire(commit.execution);
        let left = self.leave(worker);
        commit.acks.into_iter().for_each(|ack| drop(ack.send(Err(error.clone()))));
        if is_start {
            left.into_iter().for_each(|message| worker.route(&self.id, message));
        } else {
            left.into_iter().for_each(|message| message.refuse(error.clone()));
        }
    }

    /// Parks an instance whose turn the store cannot keep. Nothing of the turn has happened: what it took from the inbox is there still, and
    /// whoever else asked for something is refused.
    fn park_unwritten(self: &Arc<Self>, worker: &Arc<Worker>, error: &RuntimeError, commit: Commit) {
        let report = format!(
            "{error}\n  nothing is lost: the run is parked; resume it with code or settings that produce a turn the store can keep"
        );
        worker.retire(commit.execution);
        commit.acks.into_iter().for_each(|ack| drop(ack.send(Err(error.clone()))));
        self.park(worker, report, Waiting::default());
    }

    /// The turn is durable: lets out what it decided. Called by the store, so nothing of the user's runs here.
    pub(super) fn committed(self: &Arc<Self>, worker: &Arc<Worker>, commit: Commit, applied: Applied) {
        worker.begin(&applied.children);
        let (key, effects) = {
            let mut inner = self.lock();
            let effects = self.settle(worker, &mut inner, commit, applied);
            (inner.key, effects)
        };
        self.let_out(worker, key, effects);
    }

    /// Brings the instance to where its commit has brought the store.
    fn settle(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner, commit: Commit, applied: Applied) -> Effects {
        let Commit { execution, attempts, actions, acks, state, turns, outcome, next, sets_aside } = commit;
        let mut effects = Effects { acks, ..Effects::default() };
        if let Some(key) = applied.created {
            inner.key = key;
            inner.mailbox.retain(|message| message.is_for(key));
        }
        inner.turns += turns;
        effects.begun = inner.state.status == Status::Pending && state.status != Status::Pending;
        inner.state = state;
        if inner.phase == Phase::Gone {
            effects.retired = execution;
            return effects;
        }
        inner.execution = execution;
        if let Some((at, next)) = next {
            inner.turns = 1;
            inner.fresh = Some(at);
            inner.execution = Some(worker.execution(next.orchestrator, &self.id));
            inner.mailbox.insert(0, Message::of(next.started));
        }
        let mut children = applied.children.into_iter();
        for action in actions {
            if let Some(refused) = worker.refused_child(&action) {
                if let Event::SubOrchestrationInstanceFailed { failure, .. } = &refused {
                    tracing::warn!(instance = %self.id, %failure, "a sub-orchestration was not started");
                }
                inner.mailbox.push(Message::of(refused));
                continue;
            }
            match action {
                Action::StartActivity { .. } | Action::StartTimer { .. } => {}
                Action::StartChild { id, instance, detached, .. } => match children.next().flatten() {
                    Some(key) => {
                        if let Some(child) = inner.calls.children.get_mut(&id) {
                            child.key = Some(key);
                        }
                    }
                    None if detached => {
                        tracing::warn!(instance = %self.id, child = instance, "a detached orchestration was not started: its id exists already");
                    }
                    // Of this call all the same, when a rewind has begun the call anew.
                    None => effects.taken.push((id, instance)),
                },
                Action::TellEntity { .. } => effects.asks = true,
                Action::Cancel { id } => {
                    effects.cancelled.extend(inner.calls.running.remove(&id));
                    effects.tells |= inner.calls.children.remove(&id).is_some();
                }
            }
        }
        effects.jobs = attempts.into_iter().filter_map(|planned| self.job(worker, inner, planned)).collect();
        if outcome.is_some() {
            effects.cancelled.extend(inner.calls.running.drain().map(|(_, running)| running));
            inner.calls.stop_timers();
        }
        self.arm(worker, inner);
        if let Some(outcome) = outcome {
            inner.phase = Phase::Gone;
            let (parent, left) = (inner.parent.clone(), std::mem::take(&mut inner.mailbox));
            effects.tells |= sets_aside;
            effects.ended = Some(Ended { parent, outcome, aside: sets_aside, left });
            self.leave_place(worker, inner);
            return effects;
        }
        let can_wait = if sets_aside { inner.calls.running.is_empty() } else { inner.calls.only_children() };
        if can_wait {
            // Also where a turn follows: those in line go first.
            self.leave_place(worker, inner);
        }
        if sets_aside && inner.mailbox.is_empty() {
            inner.phase = Phase::Parked;
            effects.rests = true;
        } else if inner.mailbox.is_empty() {
            inner.phase = Phase::Resting;
            effects.rests = can_wait;
        } else {
            effects.works = true;
        }
        effects
    }

    /// Does what a durable turn asks for.
    fn let_out(self: &Arc<Self>, worker: &Arc<Worker>, key: InstanceKey, effects: Effects) {
        let Effects { jobs, acks, taken, cancelled, tells, asks, begun, works, rests, ended, retired } = effects;
        worker.retire(retired);
        if rests {
            self.list(worker);
        }
        cancelled.into_iter().for_each(|running| running.cancel(worker));
        taken.into_iter().for_each(|(call, child)| worker.check_child(&self.id, key, call, child));
        worker.submit(jobs);
        acks.into_iter().for_each(|ack| drop(ack.send(Ok(()))));
        if works {
            self.work_later(worker);
        }
        if tells {
            worker.scan_later();
        }
        if asks {
            worker.fetch_later();
        }
        worker.watchers().tell(&self.id);
        if begun {
            worker.begun(&self.id);
        }
        if let Some(Ended { parent, outcome, aside, left }) = ended {
            if aside {
                worker.release_locks(&self.id);
            }
            worker.forget(self);
            worker.finished(&self.id, key, parent, outcome);
            left.into_iter().for_each(|message| worker.route(&self.id, message.left_by(key)));
        }
        worker.trim();
    }

    /// The job of an attempt, unless one of the same call still runs.
    pub(super) fn job(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner, planned: Planned) -> Option<Job> {
        let Planned { call: id, attempt } = planned;
        if inner.calls.running.contains_key(&id) {
            return None;
        }
        let Attempt { activity, lane, input, number: attempt, limits } = match attempt {
            Ok(attempt) => attempt,
            Err(failure) => {
                inner.mailbox.push(Message::of(Event::TaskFailed { id, failure, retry_at: None }));
                return None;
            }
        };
        let (handle, abort) = AbortHandle::new_pair();
        let signals = Signals::new(worker, inner.key, id);
        inner.calls.running.insert(id, Running { abort: handle, signals: signals.clone() });
        let last_heartbeat = inner.calls.heartbeats.get(&id).cloned();
        let trace = inner.execution.as_ref().and_then(Execution::trace).cloned().map(Box::new);
        // The store's number is in the key, so that an id that is used again after a purge gives other keys.
        let key = format!("{}/{}/{id}", self.id, inner.key);
        Some(Job {
            instance: self.clone(),
            owner: inner.key,
            trial: None,
            call: id,
            activity,
            input,
            attempt,
            limits,
            key,
            lane,
            abort,
            signals,
            last_heartbeat,
            trace,
        })
    }
}

/// An attempt of an activity that is to be started once its turn is durable, or why it cannot be.
pub(super) struct Planned {
    pub(super) call: CallId,
    attempt: Result<Attempt, Failure>,
}

struct Attempt {
    activity: Registration,
    lane: Lane,
    input: Payload,
    number: u32,
    limits: Limits,
}

impl Worker {
    /// Takes the attempts that are due at once out of `actions`. Asks the user's code for the key of their limits, so it is for the
    /// executor.
    pub(super) fn attempts(&self, actions: &mut Vec<Action>) -> Vec<Planned> {
        let due = actions.extract_if(.., |action| matches!(action, Action::StartActivity { not_before: None, .. }));
        due.filter_map(|action| match action {
            Action::StartActivity { id, name, input, attempt, limits, .. } => {
                Some(Planned { call: id, attempt: self.attempt(name, input, attempt, limits) })
            }
            _ => None,
        })
        .collect()
    }

    fn attempt(&self, name: &str, input: Payload, number: u32, limits: Limits) -> Result<Attempt, Failure> {
        let activity = self.registry.activity(name).copied().ok_or_else(|| {
            let message =
                format!("no activity named `{name}` is registered in this process; register it with the runtime's builder");
            Failure::new(FailureKind::NotRegistered, message)
        })?;
        if let Some(excess) = self.store.payloads().excess(format_args!("what `{name}` is called with"), &input) {
            return Err(Failure::new(FailureKind::Codec, excess));
        }
        let lane = self.pool().lane(&activity, &input)?;
        Ok(Attempt { activity, lane, input, number, limits })
    }
}
