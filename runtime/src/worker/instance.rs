//! One instance in a worker: its mailbox, its turns, its commits.
//!
//! Invariant: at most one turn or commit of an instance is under way. What arrives meanwhile waits in the mailbox, and the
//! next turn takes all of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::AbortHandle;
use tokio::sync::oneshot;

use crate::activity::Signals;
use crate::engine::event::{CallId, Event, Turn};
use crate::engine::execution::{Action, Execution, Next, Progress};
use crate::error::{ErrorKind, RuntimeError};
use crate::failure::{Failure, FailureKind};
use crate::function::Recorded;
use crate::payload::Payload;
use crate::store::{
    Append, Applied, Batch, InstanceKey, NewInstance, Parent, Refused, State, Status, StoreResult, Stored, Timestamp, Update,
};
use crate::worker::Worker;
use crate::worker::calls::{Calls, Due, Running};
use crate::worker::parking::{Waiting, wrong_state};
use crate::worker::pool::Job;
use crate::worker::request::Request;

/// The answer to whoever sent a message, once the message is durable.
pub(crate) type Ack = oneshot::Sender<StoreResult<()>>;

/// Something for an instance.
pub(crate) struct Message {
    /// What to deliver; nothing for a mere nudge.
    pub(crate) event: Option<Event>,
    /// Its number in the inbox, when it came through the store.
    pub(crate) inbox: Option<i64>,
    /// Whom it was posted for, when only the id has been looked at: another instance may have that by now.
    pub(crate) posted_for: Option<InstanceKey>,
    /// Of the end of a sub-orchestration, which instance that was: it may be one that was called under the same ids before a replacement.
    pub(crate) ended: Option<InstanceKey>,
    pub(crate) ack: Option<Ack>,
}

impl Message {
    pub(crate) fn of(event: Event) -> Self {
        Self { event: Some(event), inbox: None, posted_for: None, ended: None, ack: None }
    }

    /// Makes the instance look for itself: at its timers, at its waker.
    pub(crate) fn nudge() -> Self {
        Self { event: None, inbox: None, posted_for: None, ended: None, ack: None }
    }

    /// Whether it asks to go on with a suspended instance.
    pub(crate) fn is_resume(&self) -> bool {
        matches!(self.event, Some(Event::ExecutionResumed { .. }))
    }

    /// The activity an attempt of which it tells the outcome of.
    fn ended_attempt(&self) -> Option<CallId> {
        match self.event {
            Some(Event::TaskCompleted { id, .. } | Event::TaskFailed { id, .. }) => Some(id),
            _ => None,
        }
    }

    fn is_suspend(&self) -> bool {
        matches!(self.event, Some(Event::ExecutionSuspended { .. }))
    }

    /// Whether it is for the instance with this key, which is 0 as long as it is not known.
    fn is_for(&self, key: InstanceKey) -> bool {
        self.posted_for.is_none_or(|meant| key == 0 || meant == key)
    }

    /// Whether it is the end of another instance than the one that was called.
    fn is_of_another(&self, calls: &Calls) -> bool {
        let (
            Some(ended),
            Some(Event::SubOrchestrationInstanceCompleted { id, .. } | Event::SubOrchestrationInstanceFailed { id, .. }),
        ) = (self.ended, &self.event)
        else {
            return false;
        };
        calls.children.get(id).and_then(|child| child.key).is_some_and(|called| called != ended)
    }

    pub(crate) fn refuse(self, error: RuntimeError) {
        if let Some(ack) = self.ack {
            let _ = ack.send(Err(error));
        }
    }
}

/// An instance this worker knows of.
pub(crate) struct Instance {
    id: Arc<str>,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) phase: Phase,
    pub(super) mailbox: Vec<Message>,
    pub(super) key: InstanceKey,
    pub(super) parent: Option<Parent>,
    /// When the generation was started whose first turn has not run yet.
    fresh: Option<Timestamp>,
    /// How many turns the history has.
    pub(super) turns: u32,
    /// The suspended orchestrator; away during a turn, gone while parked.
    pub(super) execution: Option<Execution>,
    /// As the store has it.
    pub(super) state: State,
    /// The highest inbox number that has reached the mailbox.
    pub(super) inbox: i64,
    pub(super) calls: Calls,
    /// Its entry in the worker's clock.
    pub(super) armed: Option<Timestamp>,
    /// Whether it stands in the worker's list of what can be evicted.
    pub(super) listed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its history is being read.
    Loading,
    /// It waits.
    Resting,
    /// A turn or a commit is under way.
    Turning,
    /// It is not to be run now; its messages go to the inbox.
    Parked,
    /// It is no longer in the worker's map.
    Gone,
}

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

impl Instance {
    /// An instance whose history has to be read first.
    pub(crate) fn unloaded(id: Arc<str>) -> Arc<Self> {
        Self::in_phase(id, Phase::Loading, None)
    }

    /// An instance that is being created.
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
            inbox: 0,
            calls: Calls::default(),
            armed: None,
            listed: false,
        };
        Arc::new(Self { id, inner: Mutex::new(inner) })
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
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
        let commit = match turned {
            Ok(mut progress) => {
                new.turn = Turn { at: progress.at, events: std::mem::take(&mut progress.events) };
                let mut inner = self.lock();
                inner.calls.record(&new.turn.events, &progress.actions);
                new.state = inner.next_state(&progress, &new.turn.events);
                if let Some(next) = &progress.next {
                    next.orchestrator.name().clone_into(&mut new.name);
                    new.turn = first_turn(next, new.turn, now);
                }
                let outcome = new.turn.events.last().and_then(Event::outcome);
                Commit {
                    execution: Some(execution),
                    actions: progress.actions,
                    acks: vec![ack],
                    state: new.state.clone(),
                    turns: 1,
                    outcome,
                    next: progress.next.map(|next| (new.turn.at, next)),
                }
            }
            Err(parked) => {
                new.turn.events.push(started);
                new.state = State { status: Status::Suspended, report: Some(parked.report), ..State::pending() };
                Commit {
                    execution: None,
                    actions: Vec::new(),
                    acks: vec![ack],
                    state: new.state.clone(),
                    turns: 1,
                    outcome: None,
                    next: None,
                }
            }
        };
        let mut children = worker.children(&self.id, now, &commit.actions);
        let mut tell = self.lock().dismissed(&self.id, &commit.actions);
        worker.address(now, &commit.actions, &mut children, &mut tell);
        self.commit(worker, Batch { purge: request.replaces, create: Some(new), children, tell, ..Batch::default() }, commit, 0);
    }

    /// Takes a message now, with the next turn, or into the inbox. Gives it back when the instance is gone.
    pub(crate) fn try_deliver(self: &Arc<Self>, worker: &Arc<Worker>, message: Message) -> Option<Message> {
        let mut inner = self.lock();
        if message.inbox.is_some_and(|number| number <= inner.inbox || worker.has_taken(number)) || !message.is_for(inner.key) {
            return None;
        }
        match inner.phase {
            Phase::Gone => return Some(message),
            Phase::Loading | Phase::Turning => inner.mailbox.push(message),
            Phase::Resting => {
                inner.mailbox.push(message);
                self.turn(worker, inner);
            }
            Phase::Parked => self.keep(worker, inner, message),
        }
        None
    }

    /// Like [`try_deliver`](Self::try_deliver), through the worker when the instance is gone.
    pub(crate) fn deliver(self: &Arc<Self>, worker: &Arc<Worker>, message: Message) {
        if let Some(message) = self.try_deliver(worker, message) {
            worker.route(&self.id, message);
        }
    }

    /// The clock has rung and has taken its entry off.
    pub(crate) fn rung(self: &Arc<Self>, worker: &Arc<Worker>) {
        self.lock().armed = None;
        self.deliver(worker, Message::nudge());
    }

    /// Whether a turn or a commit is under way.
    pub(crate) fn is_turning(&self) -> bool {
        self.lock().phase == Phase::Turning
    }

    /// An attempt has ended, whatever came of it.
    pub(crate) fn attempt_ended(&self, call: CallId, last_heartbeat: Option<Payload>) {
        let mut inner = self.lock();
        inner.calls.running.remove(&call);
        if let Some(details) = last_heartbeat {
            inner.calls.heartbeats.insert(call, details);
        }
    }

    /// Runs a turn on all that waits. The instance is resting or has just committed.
    pub(super) fn turn(self: &Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'_, Inner>) {
        let mut later = Vec::new();
        if inner.fresh.is_none()
            && let Some(at) = inner.mailbox.iter().position(Message::is_suspend)
        {
            if at == 0 {
                let asked = inner.mailbox.remove(0);
                return self.suspend(worker, inner, asked);
            }
            later = inner.mailbox.split_off(at);
        }
        inner.phase = Phase::Turning;
        let Some(mut execution) = inner.execution.take() else { return };
        let fresh = inner.fresh.take();
        // The first turn sees the time of the start, and nothing else, so that a replay of the start sees the same.
        let (now, mut mailbox): (_, Vec<_>) = match fresh {
            Some(started_at) => (started_at, inner.mailbox.drain(..1).collect()),
            None => (worker.now(), std::mem::replace(&mut inner.mailbox, later)),
        };
        mailbox.retain(|message| !message.is_of_another(&inner.calls));
        let is_suspended = inner.state.status == Status::Suspended;
        let due = if fresh.is_some() { Due::default() } else { inner.calls.take_due(now) };
        inner.inbox = mailbox.iter().filter_map(|message| message.inbox).fold(inner.inbox, i64::max);
        drop(inner);

        let (mut events, mut acks, mut consume) = (Vec::with_capacity(mailbox.len()), Vec::new(), Vec::new());
        for message in mailbox {
            consume.extend(message.inbox);
            if message.is_resume() && !is_suspended {
                message.refuse(wrong_state(&self.id, "it is not suspended"));
                continue;
            }
            // Whoever can be told is told; an event that came through the inbox fails the wait it reaches.
            let refused = message.ack.as_ref().and(message.event.as_ref()).and_then(|event| execution.refuses(event));
            if let Some(failure) = refused {
                let text = format!("the event was not raised: `{}` waits for another type: {failure}", self.id);
                message.refuse(RuntimeError::new(ErrorKind::Invalid, text));
                continue;
            }
            events.extend(message.event);
            acks.extend(message.ack);
        }
        worker.take(&consume);
        events.extend(due.fired);
        match worker.turn(&mut execution, now, events) {
            Ok(mut progress) => {
                progress.actions.extend(due.attempts);
                if fresh.is_some() {
                    progress.events.remove(0);
                }
                self.record(worker, execution, progress, acks, consume);
            }
            Err(mut parked) => {
                drop(execution);
                // The start is in the history already.
                parked.incoming.retain(|event| !matches!(event, Event::ExecutionStarted { .. }));
                self.park(worker, parked.report, Waiting { post: parked.incoming, acks, consume });
            }
        }
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
        let mut children = worker.children(&self.id, progress.at, &progress.actions);
        worker.address(progress.at, &progress.actions, &mut children, &mut tell);
        let turns = u32::from(append.is_some());
        let commit = Commit { execution: Some(execution), actions: progress.actions, acks, state, turns, outcome, next };
        if append.is_none() && changed.is_none() && consume.is_empty() && tell.is_empty() {
            return self.committed(worker, commit, Applied::default());
        }
        self.commit(
            worker,
            Batch { append, continues, update: changed, children, consume, heartbeats, tell, ..Batch::default() },
            commit,
            0,
        );
    }

    /// Applies a batch until it is applied. Only a start gives up: its caller can be told.
    pub(super) fn commit(self: &Arc<Self>, worker: &Arc<Worker>, mut batch: Batch, commit: Commit, tries: u32) {
        batch.epoch = Some(worker.epoch());
        let (this, owner) = (self.clone(), worker.clone());
        let reply = move |result: Result<Applied, Box<Refused>>| match result {
            Ok(applied) => this.committed(&owner, commit, applied),
            Err(refused) => this.refused(&owner, *refused, commit, tries),
        };
        worker.store().apply(batch, Box::new(reply));
    }

    fn refused(self: &Arc<Self>, worker: &Arc<Worker>, refused: Refused, commit: Commit, tries: u32) {
        let Refused { error, batch } = refused;
        let is_start = batch.create.is_some();
        if !is_start && error.kind() == ErrorKind::Store {
            tracing::error!(instance = %self.id, %error, "a turn could not be written; it is tried again");
            let pause = Duration::from_millis(50 << tries.min(6));
            let (this, owner) = (self.clone(), worker.clone());
            worker.spawn(async move {
                tokio::time::sleep(pause).await;
                this.commit(&owner, batch, commit, tries + 1);
            });
            return;
        }
        if !is_start && error.kind() != ErrorKind::ShuttingDown {
            tracing::error!(instance = %self.id, %error, "a turn was refused; the instance is unloaded");
        }
        if error.kind() == ErrorKind::Fenced {
            worker.fenced();
        }
        let left = self.leave(worker);
        commit.acks.into_iter().for_each(|ack| drop(ack.send(Err(error.clone()))));
        if is_start {
            left.into_iter().for_each(|message| worker.route(&self.id, message));
        } else {
            left.into_iter().for_each(|message| message.refuse(error.clone()));
        }
    }

    /// The turn is durable: lets out what it decided.
    fn committed(self: &Arc<Self>, worker: &Arc<Worker>, commit: Commit, applied: Applied) {
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
                    None => worker.check_child(&self.id, id, instance),
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
        } else if parked {
            inner.phase = Phase::Parked;
            left = std::mem::take(&mut inner.mailbox);
            self.list(worker, &mut inner);
        } else if inner.mailbox.is_empty() {
            self.rest(worker, &mut inner);
        } else {
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

    pub(super) fn rest(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner) {
        inner.phase = Phase::Resting;
        if inner.calls.only_children() {
            self.list(worker, inner);
        }
    }

    /// Stands in the worker's list of what can be evicted.
    fn list(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner) {
        if !inner.listed {
            inner.listed = true;
            worker.idle(self);
        }
    }

    pub(super) fn arm(&self, worker: &Arc<Worker>, inner: &mut Inner) {
        let start = inner.state.wake_at.filter(|_| inner.state.status == Status::Pending);
        let next = inner.calls.next_due().or(start);
        worker.clock().set(&self.id, inner.armed, next);
        inner.armed = next;
    }

    /// The job of an activity, unless an attempt of it still runs.
    fn job(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner, action: Action) -> Option<Job> {
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
        })
    }

    /// Takes up a stored instance: replays its history, starts what it waits for, delivers what has come for it.
    /// One that is unreadable is parked.
    pub(crate) fn loaded(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        stored: Stored,
        messages: Vec<crate::store::Message>,
        unreadable: Option<RuntimeError>,
    ) {
        let Stored { instance, history, heartbeats } = stored;
        let mut inner = self.lock();
        inner.key = instance.key;
        inner.parent = instance.parent;
        inner.turns = u32::try_from(history.len()).unwrap_or(u32::MAX);
        inner.state = instance.state;
        let read = messages.last().map_or(0, |message| message.number);
        // From here on the worker's scan may bring the same messages again.
        inner.inbox = read;
        let arrived = std::mem::take(&mut inner.mailbox);
        let stored = messages.into_iter().map(|message| Message { inbox: Some(message.number), ..Message::of(message.event) });
        let arrived = arrived
            .into_iter()
            .filter(|message| message.is_for(instance.key) && message.inbox.is_none_or(|number| number > read));
        inner.mailbox = stored.chain(arrived).collect();
        let is_resumed = inner.mailbox.iter().any(Message::is_resume);
        let state = &inner.state;
        let is_suspended = state.status == Status::Suspended && state.report.is_none() && !is_resumed;
        if is_suspended || state.status == Status::Pending && state.wake_at.is_some() && !state.is_due(worker.now()) {
            inner.phase = Phase::Parked;
            inner.inbox = 0;
            let mailbox = std::mem::take(&mut inner.mailbox);
            self.arm(worker, &mut inner);
            drop(inner);
            return mailbox.into_iter().for_each(|message| self.deliver(worker, message));
        }
        // The history tells first that it goes on, then what has come meanwhile.
        inner.mailbox.sort_by_key(|message| !message.is_resume());
        drop(inner);

        if let Some(error) = unreadable {
            let report = format!(
                "{error}\n  nothing is lost: the run is parked; resume it in a process with the codec and the key it was written with"
            );
            return self.park_again(worker, report);
        }
        let (name, version) = history.first().and_then(Turn::started).unwrap_or((&instance.name, 1));
        let Some(orchestrator) = worker.registry().version(name, version).copied() else {
            return self.park_again(worker, worker.not_registered(name, version));
        };
        let mut execution = worker.execution(orchestrator, &self.id);
        let is_rewound = history.last().is_some_and(|turn| matches!(turn.events[..], [Event::ExecutionRewound { .. }]));
        let unstarted_at = unstarted(&history, &self.lock().state);
        if let Some(at) = unstarted_at {
            if is_resumed && at > worker.now() {
                let resumes = self.lock().mailbox.extract_if(.., |message| message.is_resume()).collect();
                return self.schedule(worker, at, resumes);
            }
            let started = history.into_iter().flat_map(|turn| turn.events).last();
            let mut inner = self.lock();
            inner.fresh = Some(at);
            // It was suspended before its first turn, of which its history tells nothing.
            inner.mailbox.iter_mut().filter(|message| message.is_resume()).for_each(|message| message.event = None);
            inner.mailbox.insert(0, Message { event: started, ..Message::nudge() });
        } else if let Err(mismatch) = execution.replay(history) {
            return self.park_again(worker, mismatch.to_string());
        }
        let pending = execution.pending();
        let mut inner = self.lock();
        inner.execution = Some(execution);
        inner.calls.forget_all_but_running();
        for (call, details) in heartbeats {
            inner.calls.heartbeats.entry(call).or_insert(details);
        }
        inner.calls.record(&[], &pending);
        let mut jobs = Vec::new();
        let ended: HashSet<_> = inner.mailbox.iter().filter_map(Message::ended_attempt).collect();
        for action in pending {
            match action {
                // Its outcome came while the instance was set aside.
                Action::StartActivity { id, .. } if ended.contains(&id) => {}
                Action::StartActivity { not_before: None, .. } => jobs.extend(self.job(worker, &mut inner, action)),
                Action::StartChild { id, instance, .. } => worker.check_child(&self.id, id, instance),
                _ => {}
            }
        }
        self.arm(worker, &mut inner);
        if inner.mailbox.is_empty() && inner.state.status == Status::Running && !is_rewound {
            self.rest(worker, &mut inner);
            drop(inner);
        } else {
            self.turn(worker, inner);
        }
        worker.submit(jobs);
    }

    /// Lets a resting instance go to its history when no activity of it is under way. `false` when it may not be.
    pub(crate) fn evict(self: &Arc<Self>, worker: &Arc<Worker>) -> bool {
        let mut inner = self.lock();
        inner.listed = false;
        let may_go = match inner.phase {
            Phase::Resting => inner.calls.only_children(),
            // What runs of it is known here only.
            Phase::Parked => inner.calls.running.is_empty(),
            Phase::Loading | Phase::Turning | Phase::Gone => false,
        };
        if !may_go || !inner.mailbox.is_empty() {
            return false;
        }
        inner.phase = Phase::Gone;
        let execution = inner.execution.take();
        let wake = inner.calls.next_due().or(inner.armed);
        worker.clock().set(&self.id, inner.armed.take(), None);
        worker.clock().set_stored(wake);
        drop(inner);
        drop(execution);
        worker.forget(self);
        true
    }

    /// Leaves the worker's map; gives back what nobody has taken.
    pub(crate) fn leave(self: &Arc<Self>, worker: &Arc<Worker>) -> Vec<Message> {
        let mut inner = self.lock();
        inner.phase = Phase::Gone;
        let execution = inner.execution.take();
        inner.calls.running.drain().for_each(|(_, running)| running.abort.abort());
        worker.clock().set(&self.id, inner.armed.take(), None);
        let left = std::mem::take(&mut inner.mailbox);
        drop(inner);
        drop(execution);
        worker.forget(self);
        left
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

/// When the generation of a history was started, if its first turn has not run yet. One that waits without a call has the same
/// history, but is not busy.
fn unstarted(history: &[Turn], state: &State) -> Option<Timestamp> {
    let [Turn { at, events }] = history else { return None };
    let only_started =
        matches!(events[..], [Event::ExecutionStarted { .. }] | [Event::ContinueAsNew { .. }, Event::ExecutionStarted { .. }]);
    (only_started && (state.busy || state.status != Status::Running)).then_some(*at)
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
