//! A turn on its way through the store, and what it lets out once it is durable.

use std::sync::Arc;

use futures::future::AbortHandle;

use crate::activity::Signals;
use crate::engine::event::Event;
use crate::engine::execution::{Action, Execution, Next};
use crate::error::{ErrorKind, RuntimeError};
use crate::failure::{Failure, FailureKind};
use crate::function::Recorded;
use crate::store::trouble::Backoff;
use crate::store::{Applied, Batch, ErrorClass, Refused, State, Status, Timestamp};
use crate::worker::Worker;
use crate::worker::calls::Running;
use crate::worker::instance::{Inner, Instance, Phase};
use crate::worker::message::{Ack, Message};
use crate::worker::parking::Waiting;
use crate::worker::pool::Job;

/// A turn on its way through the store.
pub(super) struct Commit {
    pub(super) execution: Option<Execution>,
    pub(super) actions: Vec<Action>,
    pub(super) acks: Vec<Ack>,
    pub(super) state: State,
    /// How many turns it adds to the history.
    pub(super) turns: u32,
    pub(super) outcome: Option<Recorded>,
    /// The generation that follows, and when it was started.
    pub(super) next: Option<(Timestamp, Next)>,
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
            ErrorClass::Permanent if !is_start && commit.execution.is_some() && cannot_be_kept(error.kind()) => {
                return self.park_unwritten(worker, &error, commit);
            }
            ErrorClass::Permanent if !is_start => {
                tracing::error!(instance = %self.id, %error, "a turn was refused; the instance is unloaded");
            }
            ErrorClass::Fatal => worker.give_up(&error),
            ErrorClass::Passing | ErrorClass::Permanent => {}
        }
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
        let report =
            format!("{error}\n  nothing is lost: the run is parked; resume it with code, or settings, that can be written");
        // Dropped outside a turn: what it waits for is unloaded, not cancelled.
        drop(commit.execution);
        commit.acks.into_iter().for_each(|ack| drop(ack.send(Err(error.clone()))));
        self.park(worker, report, Waiting::default());
    }

    /// The turn is durable: lets out what it decided.
    pub(super) fn committed(self: &Arc<Self>, worker: &Arc<Worker>, commit: Commit, applied: Applied) {
        let Commit { execution, actions, acks, state, turns, outcome, next } = commit;
        let mut inner = self.lock();
        if let Some(key) = applied.created {
            inner.key = key;
            inner.mailbox.retain(|message| message.is_for(key));
        }
        inner.turns += turns;
        let has_begun = inner.state.status == Status::Pending && state.status != Status::Pending;
        inner.state = state;
        let was_set_aside = execution.is_none();
        let parked = was_set_aside && outcome.is_none();
        inner.execution = execution.filter(|_| outcome.is_none());
        if let Some((at, next)) = next {
            inner.turns = 1;
            inner.fresh = Some(at);
            inner.execution = Some(worker.execution(next.orchestrator, &self.id));
            inner.mailbox.insert(0, Message::of(next.started));
        }
        let (mut jobs, mut dismissed, mut asks) = (Vec::new(), false, false);
        worker.begin(&applied.children);
        let mut children = applied.children.into_iter();
        for action in actions {
            match action {
                Action::StartActivity { not_before: Some(_), .. } | Action::StartTimer { .. } => {}
                Action::StartActivity { .. } => jobs.extend(self.job(worker, &mut inner, action)),
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
                    None => worker.check_child(&self.id, inner.key, id, instance),
                },
                Action::TellEntity { .. } => asks = true,
                Action::Cancel { id } => {
                    if let Some(running) = inner.calls.running.remove(&id) {
                        running.cancel(worker);
                    }
                    dismissed |= inner.calls.children.remove(&id).is_some();
                }
            }
        }
        if outcome.is_some() {
            inner.calls.running.drain().for_each(|(_, running)| running.cancel(worker));
            inner.calls.stop_timers();
        }
        self.arm(worker, &mut inner);
        let mut left = Vec::new();
        if outcome.is_some() {
            inner.phase = Phase::Gone;
            left = std::mem::take(&mut inner.mailbox);
            self.leave_place(worker, &mut inner);
        } else if parked {
            inner.phase = Phase::Parked;
            if inner.calls.running.is_empty() {
                self.leave_place(worker, &mut inner);
            }
            left = std::mem::take(&mut inner.mailbox);
            // What is left has reached the mailbox and is to reach it again.
            let first = left.iter().filter_map(|message| message.inbox).min();
            inner.inbox = first.map_or(inner.inbox, |first| inner.inbox.min(first - 1));
            self.list(worker, &mut inner);
        } else if inner.mailbox.is_empty() {
            self.rest(worker, &mut inner);
        } else {
            if inner.calls.only_children() {
                // Those in line go first.
                self.leave_place(worker, &mut inner);
            }
            // Not here: this is the store's thread.
            let (this, owner) = (self.clone(), worker.clone());
            worker.spawn(async move { this.turn(&owner, this.lock()) });
        }
        let (key, parent) = (inner.key, inner.parent.clone());
        drop(inner);
        worker.submit(jobs);
        acks.into_iter().for_each(|ack| drop(ack.send(Ok(()))));
        if dismissed {
            worker.scan_later();
        }
        if asks {
            worker.fetch_later();
        }
        if was_set_aside && outcome.is_some() {
            worker.dismiss_children(&self.id);
            worker.release_locks(&self.id);
        }
        worker.watchers().tell(&self.id);
        if has_begun {
            worker.begun(&self.id);
        }
        if let Some(outcome) = outcome {
            worker.forget(self);
            worker.finished(&self.id, key, parent, outcome);
        }
        left.into_iter().for_each(|message| self.deliver(worker, message));
        worker.trim();
    }

    /// The job of an activity, unless an attempt of it still runs.
    pub(super) fn job(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner, action: Action) -> Option<Job> {
        let Action::StartActivity { id, name, input, attempt, limits, .. } = action else {
            return None;
        };
        if inner.calls.running.contains_key(&id) {
            return None;
        }
        let Some(activity) = worker.registry().activity(name).copied() else {
            let message =
                format!("no activity named `{name}` is registered in this process; register it with the runtime's builder");
            let failure = Failure::new(FailureKind::NotRegistered, message);
            inner.mailbox.push(Message::of(Event::TaskFailed { id, failure, retry_at: None }));
            return None;
        };
        if let Some(excess) = worker.store().payloads().excess(format_args!("what `{name}` is called with"), &input) {
            let failure = Failure::new(FailureKind::Codec, excess);
            inner.mailbox.push(Message::of(Event::TaskFailed { id, failure, retry_at: None }));
            return None;
        }
        let lane = match worker.pool().lane(&activity, &input) {
            Ok(lane) => lane,
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
