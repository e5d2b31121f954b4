//! One loaded execution: events are delivered one by one, and the code is polled until it is quiet.

mod action;
mod deliver;
mod replay;
mod rewind;
mod turn;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;

use crate::kernel::barrier;
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::engine::poison::Poison;
use crate::kernel::engine::scope::{self, Scope};
use crate::kernel::engine::waker::RootWaker;
use crate::kernel::failure::Failure;
use crate::kernel::function::Recorded;
use crate::kernel::payload::Values;
use crate::kernel::registration::Registration;
use crate::kernel::trace::TraceContext;

pub(crate) use action::Action;
pub(crate) use turn::{GivenUp, Next, TurnOutcome};

/// A loaded orchestrator and what it waits for.
pub(crate) struct Execution {
    orchestrator: Registration,
    /// Guarded: no panic passes, whether it is polled or dropped.
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
    /// Whether arguments in another order than the recorded ones are a difference, as they are where the code is checked.
    is_strict: bool,
    /// Whether its reports quote values.
    values: Values,
    /// Whether a replay has compared arguments that were not at hand.
    is_undecided: bool,
    root_polls: u64,
    /// In verify mode, a second execution that replays every turn of this one.
    shadow: Option<Box<Self>>,
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
            is_strict: false,
            values: Values::Shown,
            is_undecided: false,
            root_polls: 0,
            shadow: None,
        }
    }

    /// Says whether its reports quote values.
    pub(crate) fn telling(mut self, values: Values) -> Self {
        self.values = values;
        self
    }

    /// Replays every turn on the side and compares, so that a difference shows in the run that makes it.
    pub(crate) fn verified(mut self, verify: bool) -> Self {
        let scope = self.scope.as_deref().expect("the scope is here between polls");
        let shadow = || Self::new(self.orchestrator, scope.instance.clone(), Box::new(|| {})).telling(self.values);
        self.shadow = verify.then(|| Box::new(shadow()));
        self
    }

    /// Takes arguments in another order than the recorded ones for a difference.
    #[cfg(feature = "testing")]
    pub(crate) fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Whether another replay could come to something else that knows the arguments of all recorded calls.
    pub(crate) fn is_undecided(&self) -> bool {
        self.is_undecided
    }

    /// What a replayed execution waits for, as the actions that bring it about. A child is listed as if it were new.
    pub(crate) fn pending(&self) -> Vec<Action> {
        let scope = self.scope.as_deref().expect("the scope is here between polls");
        let is_new = |id: &CallId| scope.commands.iter().any(|command| command.id == *id);
        let waiting = scope.open.iter().filter(|(id, open)| open.outcome.is_none() && !is_new(id));
        waiting.filter_map(|(id, open)| Action::of(*id, open.work.clone())).collect()
    }

    /// Why an external event cannot be taken, where the orchestrator has shown which type it waits for.
    pub(crate) fn refuses(&self, event: &Event) -> Option<Failure> {
        let Event::EventRaised { name, input } = event else { return None };
        let scope = self.scope.as_deref()?;
        barrier::run(|| scope.refuses(name, input)).unwrap_or_else(Some)
    }

    /// Polls until the orchestrator is finished or continues as new, or is pending without having been woken meanwhile.
    fn poll(&mut self) {
        if self.poison().is_some() {
            return;
        }
        let root = self.root.clone();
        let mut scope = self.scope.take();
        let entered = scope::enter(&mut scope);
        root.inside(|| self.poll_inside(&root));
        drop(entered);
        self.scope = scope;
    }

    /// Drops the future without a trace. What its locals ask meanwhile is answered and not recorded.
    fn unload(&mut self) {
        let Some(future) = self.future.take() else { return };
        let mut stand_in = self.scope.as_deref().map(|scope| Box::new(scope.unloading()));
        let _entered = scope::enter(&mut stand_in);
        self.root.inside(|| drop(future));
    }

    fn poll_inside(&mut self, root: &RootWaker) {
        let Some(future) = &mut self.future else { return };
        let mut context = Context::from_waker(&self.waker);
        let continues = loop {
            root.take_woken();
            self.root_polls += 1;
            let poll = future.as_mut().poll(&mut context);
            let (fatal, continues) = scope::with(Scope::end_of_poll).unwrap_or_default();
            let is_poisoned = scope::with(|scope| scope.poison.is_some()).unwrap_or_default();
            self.outcome = match (poll, fatal) {
                _ if is_poisoned => return,
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

    /// The report for the user when the code has asked for a recorded value that cannot be decoded; the execution is then of no use.
    pub(crate) fn undecodable(&self) -> Option<String> {
        let own = self.scope.as_deref().and_then(|scope| scope.unreadable.as_ref());
        let why = own.cloned().or_else(|| self.shadow.as_deref().and_then(Self::undecodable))?;
        Some(format!(
            "{why}\n  nothing is lost: the run is parked; export it if you need the value, then terminate it, or resume it in a build that \
             can decode the value"
        ))
    }

    fn scope_mut(&mut self) -> &mut Scope {
        self.scope.as_deref_mut().expect("the scope is here between polls")
    }

    /// Lets no wait take the events with these numbers.
    pub(crate) fn put_aside(&mut self, numbers: &[u64]) {
        if let Some(shadow) = &mut self.shadow {
            shadow.put_aside(numbers);
        }
        self.scope_mut().put_aside.extend(numbers);
    }

    /// Notes of these events whether a wait takes them.
    pub(crate) fn watch(&mut self, numbers: &[u64]) {
        self.scope_mut().watched.extend(numbers);
    }

    /// Whether a wait has taken, and could read, an event that is watched.
    pub(crate) fn has_taken(&self, number: u64) -> bool {
        self.scope.as_deref().is_some_and(|scope| scope.taken.contains(&number))
    }

    /// The event that it cannot read, if that is why it goes no further.
    pub(crate) fn poison(&self) -> Option<&Poison> {
        self.scope.as_deref()?.poison.as_deref()
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

    /// The instance id.
    pub(crate) fn instance(&self) -> &str {
        self.scope.as_deref().map_or("", |scope| &scope.instance)
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
        self.root.close();
        self.unload();
        barrier::dispose(self.orchestrator.name(), self.scope.take());
    }
}
