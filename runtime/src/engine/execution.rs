//! One loaded execution: deliver, poll until quiet, collect.

mod rewind;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;

use crate::engine::entity::EntityWork;
use crate::engine::event::{CallId, Caller, Event, Turn};
use crate::engine::mismatch::{Mismatch, describe_command, describe_event, is_same};
use crate::engine::scope::{self, Foreseen, Scope};
use crate::engine::waker::RootWaker;
use crate::engine::work::{Command, Work};
use crate::failure::Failure;
use crate::function::{Limits, Recorded};
use crate::payload::Payload;
use crate::registry::Registration;
use crate::time::Timestamp;
use crate::trace::TraceContext;

/// A suspended orchestrator and what it waits for.
pub(crate) struct Execution {
    orchestrator: Registration,
    future: Option<BoxFuture<'static, Recorded>>,
    /// Empty only while the future is polled.
    scope: Option<Box<Scope>>,
    root: Arc<RootWaker>,
    waker: Waker,
    recorded_shape: u64,
    /// The event that started it, without its input.
    started: Option<Event>,
    outcome: Option<Recorded>,
    /// Calls from before a rewind that the code has not made again.
    aside: BTreeMap<CallId, rewind::Aside>,
    /// How many events of the history it has seen.
    position: usize,
    root_polls: u64,
    /// In verify mode, a second execution that replays every turn of this one.
    shadow: Option<Box<Self>>,
}

/// What one turn asks the worker to do, once the turn is durable.
#[derive(Debug)]
pub(crate) enum Action {
    /// Run an attempt of an activity.
    StartActivity { id: CallId, name: &'static str, input: Payload, attempt: u32, not_before: Option<Timestamp>, limits: Limits },
    /// Deliver `TimerFired` when it is due.
    StartTimer { id: CallId, fire_at: Timestamp },
    /// Create a sub-orchestration (in the same transaction as the turn), and deliver its end.
    StartChild { id: CallId, name: &'static str, instance: String, input: Payload, detached: bool },
    /// Tell an entity, in the same transaction as the turn.
    TellEntity { id: CallId, work: EntityWork, message: Event },
    /// Nobody waits for this call any more.
    Cancel { id: CallId },
}

/// A turn that was given up: the orchestrator cannot be trusted to do the same again.
#[derive(Debug)]
pub(crate) struct GivenUp {
    /// What the user is told.
    pub(crate) report: String,
    /// What was delivered in vain.
    pub(crate) incoming: Vec<Event>,
}

/// What one turn did.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The time the orchestrator saw.
    pub(crate) at: Timestamp,
    pub(crate) events: Vec<Event>,
    pub(crate) actions: Vec<Action>,
    pub(crate) custom_status: Option<Payload>,
    pub(crate) finished: bool,
    /// The generation that follows the one that has ended.
    pub(crate) next: Option<Next>,
}

/// The generation that follows one that has continued as new.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) orchestrator: Registration,
    /// Its first event.
    pub(crate) started: Event,
}

impl Execution {
    /// An execution without a history. `alarm` is called when something outside a turn wakes it.
    pub(crate) fn new(orchestrator: Registration, instance: Arc<str>, alarm: Box<dyn Fn() + Send + Sync>) -> Self {
        let root = RootWaker::new(alarm);
        Self {
            future: None,
            scope: Some(Box::new(Scope::new(root.token(), instance, orchestrator))),
            waker: Waker::from(root.clone()),
            root,
            recorded_shape: 0,
            started: None,
            outcome: None,
            aside: BTreeMap::new(),
            orchestrator,
            position: 0,
            root_polls: 0,
            shadow: None,
        }
    }

    /// Replays every turn on the side and compares, so that a difference shows in the run that makes it.
    pub(crate) fn verified(mut self, verify: bool) -> Self {
        let scope = self.scope.as_deref().expect("the scope is here between polls");
        self.shadow = verify.then(|| Box::new(Self::new(self.orchestrator, scope.instance.clone(), Box::new(|| {}))));
        self
    }

    /// Brings a new execution to where its history ends.
    pub(crate) fn replay(&mut self, history: Vec<Turn>) -> Result<(), Box<Mismatch>> {
        if let Some(shadow) = &mut self.shadow {
            shadow.replay(history.clone())?;
        }
        history.iter().for_each(|turn| self.scope_mut().foreseen.add(&turn.events));
        let is_rewind = |turn: &Turn| turn.events.iter().any(|event| matches!(event, Event::ExecutionRewound { .. }));
        let mut history = history;
        let since = history.iter().rposition(is_rewind).map_or(0, |last| last + 1);
        let rest = history.split_off(since);
        let goes_on = rest.is_empty();
        self.replay_rewound(history);
        rest.into_iter().try_for_each(|turn| self.replay_turn(turn))?;
        // What the code asks for since a rewind is decided by its first turn.
        if goes_on {
            self.scope_mut().cancelled.clear();
        } else {
            self.check_settled()?;
        }
        let scope = self.scope_mut();
        scope.replaying = false;
        scope.foreseen = Foreseen::default();
        scope.custom_status = None;
        Ok(())
    }

    fn replay_turn(&mut self, turn: Turn) -> Result<(), Box<Mismatch>> {
        let scope = self.scope_mut();
        scope.replaying = true;
        scope.now = turn.at;
        for event in turn.events {
            self.position += 1;
            self.replay_event(self.position, event)?;
        }
        Ok(())
    }

    /// Looks whether the code does more than its history tells.
    fn check_settled(&mut self) -> Result<(), Box<Mismatch>> {
        let next = self.position + 1;
        if let Some(command) = self.scope_mut().commands.front() {
            let actual = describe_command(command);
            return Err(self.mismatch(next, "nothing further".to_owned(), actual));
        }
        let continues = self.scope_mut().continuation.is_some();
        if continues || self.outcome.is_some() && self.future.is_some() {
            return Err(self.mismatch(
                next,
                "nothing further: the run goes on".to_owned(),
                if continues { "it continues as new" } else { "the orchestrator returned" }.to_owned(),
            ));
        }
        self.scope_mut().cancelled.clear();
        Ok(())
    }

    fn replay_event(&mut self, position: usize, event: Event) -> Result<(), Box<Mismatch>> {
        match &event {
            Event::TaskScheduled { .. }
            | Event::TimerCreated { .. }
            | Event::SubOrchestrationInstanceCreated { .. }
            | Event::EntityOperationCalled { .. }
            | Event::EntityOperationSignaled { .. }
            | Event::EntityLockRequested { .. }
            | Event::EntityUnlockSent { .. }
            | Event::SideEffect { .. } => {
                let command = self.scope_mut().commands.pop_front();
                match command {
                    Some(command) if is_same(&event, &command) => {
                        self.adopt(event);
                        Ok(())
                    }
                    Some(command) => Err(self.mismatch(position, describe_event(&event), describe_command(&command))),
                    None if self.outcome.is_some() => {
                        Err(self.mismatch(position, describe_event(&event), "the orchestrator returned".to_owned()))
                    }
                    None => Err(self.mismatch(position, describe_event(&event), "no call".to_owned())),
                }
            }
            Event::Patched { .. } => Ok(()),
            Event::ContinueAsNew { .. } if self.started.is_none() => Ok(()),
            Event::ContinueAsNew { .. } => {
                if self.scope_mut().continuation.take().is_none() {
                    return Err(self.mismatch(position, describe_event(&event), "the orchestrator goes on".to_owned()));
                }
                Ok(())
            }
            Event::ExecutionCompleted { .. } | Event::ExecutionFailed { .. } => {
                if self.outcome.is_none() {
                    return Err(self.mismatch(position, describe_event(&event), "the orchestrator waits".to_owned()));
                }
                self.future = None;
                // A side effect that panicked has no record.
                self.scope_mut().commands.retain(|command| !matches!(command.work, Work::SideEffect { .. }));
                Ok(())
            }
            _ => {
                if let Some(command) = self.scope_mut().commands.front() {
                    let actual = describe_command(command);
                    return Err(self.mismatch(position, describe_event(&event), actual));
                }
                self.deliver(event, None, &mut Vec::new());
                Ok(())
            }
        }
    }

    /// Takes from a recorded call what the code may not decide again.
    fn adopt(&mut self, event: Event) {
        if let Event::TimerCreated { id, fire_at: recorded, .. } = event
            && let Some(open) = self.scope_mut().open.get_mut(&id)
            && let Work::Timer { fire_at } = &mut open.work
        {
            *fire_at = recorded;
        }
    }

    fn mismatch(&self, position: usize, recorded: String, actual: String) -> Box<Mismatch> {
        let scope = self.scope.as_deref().expect("the scope is here between polls");
        Box::new(Mismatch {
            orchestrator: scope.orchestrator.name(),
            instance: scope.instance.to_string(),
            position,
            recorded,
            actual,
            recorded_shape: self.recorded_shape,
            actual_shape: self.orchestrator.shape(),
        })
    }

    /// What a replayed execution waits for, as the actions that bring it about. A child is listed as if it were new.
    pub(crate) fn pending(&self) -> Vec<Action> {
        let scope = self.scope.as_deref().expect("the scope is here between polls");
        let is_new = |id: &CallId| scope.commands.iter().any(|command| command.id == *id);
        let waiting = scope.open.iter().filter(|(id, open)| open.outcome.is_none() && !is_new(id));
        waiting.filter_map(|(id, open)| action(*id, open.work.clone())).collect()
    }

    /// Why an external event cannot be taken, where the orchestrator has shown which type it waits for.
    pub(crate) fn refuses(&self, event: &Event) -> Option<Failure> {
        let Event::EventRaised { name, input } = event else { return None };
        self.scope.as_deref()?.refuses(name, input)
    }

    /// Delivers events one by one, in order, and polls after each that woke somebody.
    ///
    /// # Errors
    /// The report for the user when something outside the turn woke the orchestrator, or when, in verify mode, a replay of the
    /// turn differs from it; the execution is then of no use.
    pub(crate) fn turn(&mut self, now: Timestamp, incoming: Vec<Event>) -> Result<Progress, GivenUp> {
        let progress = self.run_turn(now, incoming)?;
        if let Some(shadow) = &mut self.shadow {
            let turn = Turn { at: progress.at, events: progress.events.clone() };
            shadow.scope_mut().foreseen = Foreseen::default();
            shadow.scope_mut().foreseen.add(&turn.events);
            if let Err(mismatch) = shadow.replay_turn(turn).and_then(|()| shadow.check_settled()) {
                let incoming = progress.events.into_iter().filter(Event::is_incoming).collect();
                return Err(GivenUp { report: mismatch.to_string(), incoming });
            }
        }
        Ok(progress)
    }

    fn run_turn(&mut self, now: Timestamp, incoming: Vec<Event>) -> Result<Progress, GivenUp> {
        let mut progress =
            Progress { at: now, events: Vec::new(), actions: Vec::new(), custom_status: None, finished: false, next: None };
        let scope = self.scope_mut();
        // A clock that was set back must not make an orchestrator see time run backwards, nor make its next timer late.
        scope.clock = now;
        scope.now = scope.now.max(now);
        progress.at = scope.now;
        // What was asked for since a rewind.
        self.collect(&mut progress);
        self.deliver_aside(&mut progress);
        for event in incoming {
            if self.outcome.is_some() {
                break;
            }
            let recorded = self.deliver(event, Some(now), &mut progress.actions);
            progress.events.extend(recorded);
            self.collect(&mut progress);
            self.deliver_aside(&mut progress);
        }
        if self.root.was_foreign() {
            let incoming = progress.events.into_iter().filter(Event::is_incoming).collect();
            return Err(GivenUp { report: self.foreign_wake(), incoming });
        }
        if let Some(outcome) = &self.outcome
            && self.future.take().is_some()
        {
            progress.finished = true;
            progress.events.push(match outcome.clone() {
                Ok(result) => Event::ExecutionCompleted { result },
                Err(failure) => Event::ExecutionFailed { failure },
            });
        }
        if self.outcome.is_none()
            && let Some((orchestrator, input)) = self.scope_mut().continuation.take()
        {
            progress.finished = true;
            progress.events.push(Event::ContinueAsNew { execution: self.scope_mut().execution });
            progress.next = Some(self.next(orchestrator, input));
        }
        if progress.events.last().is_some_and(|event| matches!(event, Event::ExecutionTerminated { .. })) {
            progress.finished = true;
        }
        if progress.finished {
            let scope = self.scope_mut();
            let open = std::mem::take(&mut scope.open);
            scope.cancelled.extend(open.into_iter().filter(|(_, open)| open.outcome.is_none()).map(|(id, _)| id));
            if let Some(work) = scope.abandon_lock() {
                let message = work.event(0, String::new(), Some(scope.caller()));
                progress.actions.push(Action::TellEntity { id: 0, work, message });
            }
        }
        let scope = self.scope_mut();
        progress.custom_status = scope.custom_status.take();
        for id in scope.cancelled.drain(..) {
            let planned = progress.actions.len();
            progress.actions.retain(|action| action.starts() != Some(id) || matches!(action, Action::StartChild { .. }));
            if progress.actions.len() == planned {
                progress.actions.push(Action::Cancel { id });
            }
        }
        Ok(progress)
    }

    /// How the next generation starts: as this one did, but for what has changed.
    fn next(&mut self, orchestrator: Registration, next_input: Payload) -> Next {
        let left = self.scope_mut().leave();
        let mut next = self.started.clone().expect("what has ended was started");
        if let Event::ExecutionStarted { name, version, input, shape, continued, .. } = &mut next {
            orchestrator.name().clone_into(name);
            *version = orchestrator.version();
            (*input, *shape, *continued) = (next_input, orchestrator.shape(), Some(left));
        }
        Next { orchestrator, started: next }
    }

    /// Moves the calls of the last poll into the history and among the actions.
    fn collect(&mut self, progress: &mut Progress) {
        let scope = self.scope_mut();
        for Command { id, work, at } in scope.commands.drain(..) {
            progress.events.push(match &work {
                Work::Activity { name, input, .. } => Event::TaskScheduled { id, name: (*name).into(), input: input.clone(), at },
                Work::Timer { fire_at } => Event::TimerCreated { id, fire_at: *fire_at, at },
                Work::Child { name, input, instance, attempts } => Event::SubOrchestrationInstanceCreated {
                    id,
                    name: (*name).into(),
                    instance: instance.clone(),
                    input: input.clone(),
                    at,
                    detached: attempts.is_none(),
                },
                Work::SideEffect { result } => Event::SideEffect { id, result: result.clone(), at },
                Work::Entity(work) => work.event(id, at, None),
            });
            progress.actions.extend(match work {
                Work::Entity(work) => {
                    let caller = Caller { instance: scope.instance.to_string(), run: scope.started_at };
                    let message = work.event(id, String::new(), Some(caller));
                    Some(Action::TellEntity { id, work, message })
                }
                work => action(id, work),
            });
        }
        progress.events.extend(scope.patched_now.drain(..).map(|name| Event::Patched { name }));
    }

    /// Delivers one event and polls if it woke somebody. Gives the event as it is recorded, or nothing when it is stale.
    ///
    /// `live` is the time of the decision about a retry; in a replay that decision is in the event.
    fn deliver(&mut self, mut event: Event, live: Option<Timestamp>, actions: &mut Vec<Action>) -> Option<Event> {
        let scope = self.scope.as_deref_mut().expect("the scope is here between polls");
        let waker = match &event {
            Event::ExecutionStarted { input, shape, parent, continued, .. } => {
                scope.parent = parent.as_ref().map(|parent| parent.instance.as_str().into());
                scope.started_at = scope.now;
                if let Some(continued) = continued.clone() {
                    scope.go_on(continued);
                }
                self.recorded_shape = *shape;
                let mut started = event.clone();
                if let Event::ExecutionStarted { input, continued, .. } = &mut started {
                    (*input, *continued) = (Payload::null(), None);
                }
                self.started = Some(started);
                self.future = Some(self.orchestrator.run(input.clone()));
                self.poll();
                return Some(event);
            }
            Event::TaskCompleted { id, result } | Event::SubOrchestrationInstanceCompleted { id, result } => {
                scope.complete(*id, Ok(result.clone()))?
            }
            Event::SubOrchestrationInstanceFailed { id, failure, retry_at } => {
                let open = scope.open.get_mut(id).filter(|open| open.outcome.is_none())?;
                let Work::Child { attempts: Some(attempts), .. } = &open.work else {
                    return None;
                };
                let again = live.map_or(*retry_at, |now| attempts.again(&scope.instance, *id, failure, now));
                open.retry_at = again;
                let waker = scope.complete(*id, Err(failure.clone()))?;
                event = Event::SubOrchestrationInstanceFailed { id: *id, failure: failure.clone(), retry_at: again };
                waker
            }
            Event::TaskFailed { id, failure, retry_at } => {
                let open = scope.open.get_mut(id).filter(|open| open.outcome.is_none())?;
                let Work::Activity { attempts, not_before, .. } = &mut open.work else {
                    return None;
                };
                let again = live.map_or(*retry_at, |now| attempts.again(&scope.instance, *id, failure, now));
                if again.is_some() {
                    attempts.number += 1;
                    *not_before = again;
                    actions.extend(action(*id, open.work.clone()));
                    return Some(Event::TaskFailed { id: *id, failure: failure.clone(), retry_at: again });
                }
                scope.complete(*id, Err(failure.clone()))?
            }
            Event::TimerFired { id } => scope.complete(*id, Ok(Payload::null()))?,
            // A run under an id that was used before may not be taken for that one.
            Event::EntityOperationCompleted { run, .. }
            | Event::EntityOperationFailed { run, .. }
            | Event::EntityLockGranted { run, .. }
                if *run != scope.started_at =>
            {
                return None;
            }
            Event::EntityOperationCompleted { id, result, .. } => scope.complete(*id, Ok(result.clone()))?,
            Event::EntityOperationFailed { id, failure, .. } => scope.complete(*id, Err(failure.clone()))?,
            Event::EntityLockGranted { id, .. } => scope.complete(*id, Ok(Payload::null()))?,
            Event::EventRaised { name, input } => scope.raise(name, input.clone()),
            Event::ExecutionTerminated { .. } => {
                self.future = None;
                scope.continuation = None;
                self.outcome = event.outcome();
                return Some(event);
            }
            Event::ExecutionResumed { .. } => None,
            _ => return None,
        };
        if let Some(waker) = waker {
            self.root.inside(|| waker.wake());
            if self.root.take_woken() {
                self.poll();
            }
        }
        Some(event)
    }

    /// Polls until the orchestrator is finished or continues as new, or is pending without having been woken meanwhile.
    fn poll(&mut self) {
        let root = self.root.clone();
        let outer = scope::replace(self.scope.take());
        if self.future.is_some() {
            root.inside(|| self.poll_inside(&root));
        }
        self.scope = scope::replace(outer);
    }

    fn poll_inside(&mut self, root: &RootWaker) {
        let Some(future) = &mut self.future else { return };
        let mut context = Context::from_waker(&self.waker);
        let continues = loop {
            root.take_woken();
            self.root_polls += 1;
            let poll = future.as_mut().poll(&mut context);
            let (fatal, continues) = scope::with(Scope::end_of_poll).unwrap_or_default();
            self.outcome = match (poll, fatal) {
                (_, Some(failure)) => Some(Err(failure)),
                (Poll::Ready(outcome), None) if !continues => scope::with(|scope| scope.returned(outcome)),
                _ => None,
            };
            if continues || self.outcome.is_some() || !root.take_woken() {
                break continues;
            }
        };
        if continues {
            // In its scope: its calls are cancelled, and the events given to its waits are put back.
            self.future = None;
        }
    }

    fn foreign_wake(&self) -> String {
        let scope = self.scope.as_deref().expect("the scope is here between polls");
        format!(
            "the orchestrator `{}` of `{}` was woken by something that is not in its history\n  \
             usual causes: a tokio timer, channel or task, or another thread, hidden behind a type of your own that claims to be `Durable`\n  \
             nothing is lost: the run is parked; move that work into an `#[activity]` or wait for an `Event`, then resume the instance \
             or restart the worker",
            scope.orchestrator.name(),
            scope.instance
        )
    }

    fn scope_mut(&mut self) -> &mut Scope {
        self.scope.as_deref_mut().expect("the scope is here between polls")
    }

    /// The shape of the orchestrator's code in this build.
    pub(crate) fn shape(&self) -> u64 {
        self.orchestrator.shape()
    }

    /// What the orchestrator has returned.
    #[cfg(feature = "testing")]
    pub(crate) fn outcome(&self) -> Option<&Recorded> {
        self.outcome.as_ref()
    }

    /// The names of the external events it waits for.
    #[cfg(feature = "testing")]
    pub(crate) fn awaited_events(&self) -> Vec<String> {
        self.scope.as_deref().map(Scope::awaited_events).unwrap_or_default()
    }

    /// The call it is part of.
    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        match &self.started {
            Some(Event::ExecutionStarted { trace, .. }) => trace.as_deref(),
            _ => None,
        }
    }

    /// The orchestrator.
    pub(crate) fn name(&self) -> &'static str {
        self.orchestrator.name()
    }

    /// How often the orchestrator as a whole, and its leaves, were polled.
    #[cfg(test)]
    pub(crate) fn polls(&self) -> (u64, u64) {
        (self.root_polls, self.scope.as_deref().map_or(0, |scope| scope.leaf_polls))
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // The scope is not in its slot here, so what the future drops is unloaded, not cancelled.
        self.root.close();
    }
}

impl Action {
    /// The call this action starts.
    fn starts(&self) -> Option<CallId> {
        match self {
            Self::StartActivity { id, .. } | Self::StartTimer { id, .. } | Self::StartChild { id, .. } => Some(*id),
            Self::TellEntity { id, work, .. } => work.is_answered().then_some(*id),
            Self::Cancel { .. } => None,
        }
    }
}

/// What brings the outcome of a call about; nothing for one that has happened.
fn action(id: CallId, work: Work) -> Option<Action> {
    Some(match work {
        Work::Activity { name, input, attempts, not_before } => {
            let (attempt, limits) = (attempts.number, attempts.options.limits);
            Action::StartActivity { id, name, input, attempt, not_before, limits }
        }
        Work::Timer { fire_at } => Action::StartTimer { id, fire_at },
        Work::Child { name, input, instance, attempts } => {
            Action::StartChild { id, name, instance, input, detached: attempts.is_none() }
        }
        // What was asked of an entity reaches it, and what it answers comes by itself.
        Work::SideEffect { .. } | Work::Entity(_) => return None,
    })
}
