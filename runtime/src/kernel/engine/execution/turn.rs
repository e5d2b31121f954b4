//! A turn: what has arrived is delivered, and what the code decides then is collected.

use crate::kernel::barrier;
use crate::kernel::engine::event::{Caller, Event, Raised, Turn};
use crate::kernel::engine::execution::{Action, Execution};
use crate::kernel::engine::poison::Report;
use crate::kernel::engine::scope::Prefetched;
use crate::kernel::engine::work::{Command, Work};
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::kernel::time::Timestamp;

/// A turn that was given up: the orchestrator cannot be trusted to do the same again.
#[derive(Debug)]
pub(crate) struct GivenUp {
    /// Why.
    pub(crate) report: Report,
    /// What was delivered to it; no event of it was recorded.
    pub(crate) incoming: Vec<Event>,
}

/// What one turn did.
#[derive(Debug)]
pub(crate) struct TurnOutcome {
    /// The time the orchestrator saw.
    pub(crate) at: Timestamp,
    pub(crate) events: Vec<Event>,
    pub(crate) actions: Vec<Action>,
    pub(crate) custom_status: Option<Payload>,
    pub(crate) finished: bool,
    /// The execution that follows the one that has ended.
    pub(crate) next: Option<Next>,
}

/// The execution that follows one that has continued as new.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) orchestrator: Registration,
    /// Its first event.
    pub(crate) started: Event,
}

impl Next {
    /// Hands on events that were raised to the execution before and that it has not seen.
    pub(crate) fn carry(&mut self, raised: Vec<Event>) {
        let Event::ExecutionStarted { continued: Some(continued), .. } = &mut self.started else { return };
        continued.events.extend(raised.into_iter().filter_map(|event| match event {
            Event::EventRaised { name, input } => Some(Raised { name, input }),
            _ => None,
        }));
    }
}

impl Execution {
    /// Delivers events one by one, in order, and polls after each that woke somebody.
    ///
    /// # Errors
    /// The report for the user when a wait could not read its event, when another recorded value cannot be decoded, when something outside
    /// the turn woke the orchestrator, or when, in verify mode, a replay of the turn differs from it; the execution is then of no use.
    pub(crate) fn turn(&mut self, now: Timestamp, incoming: Vec<Event>) -> Result<TurnOutcome, GivenUp> {
        let progress = self.run_turn(now, incoming)?;
        if let Some(shadow) = &mut self.shadow {
            let turn = Turn { at: progress.at, events: progress.events.clone() };
            shadow.is_strict = true;
            shadow.scope_mut().prefetched = Prefetched::default();
            shadow.scope_mut().prefetched.add(&turn.events);
            if let Err(mismatch) = shadow.replay_turn(turn).and_then(|()| shadow.check_settled()) {
                let incoming = progress.events.into_iter().filter(Event::is_incoming).collect();
                return Err(GivenUp { report: mismatch.to_string().into(), incoming });
            }
        }
        Ok(progress)
    }

    fn run_turn(&mut self, now: Timestamp, incoming: Vec<Event>) -> Result<TurnOutcome, GivenUp> {
        let mut progress = self.begin_turn(now);
        let mut incoming = incoming.into_iter();
        while self.outcome.is_none()
            && self.poison().is_none()
            && self.undecodable().is_none()
            && let Some(event) = incoming.next()
        {
            let recorded = self.deliver(event, Some(now), &mut progress.actions);
            progress.events.extend(recorded);
            self.collect(&mut progress);
            self.deliver_aside(&mut progress);
        }
        if let Some(report) = self.gives_up() {
            let incoming = progress.events.into_iter().filter(Event::is_incoming).chain(incoming).collect();
            return Err(GivenUp { report, incoming });
        }
        self.conclude(&mut progress);
        if progress.finished {
            self.leave_open(incoming, &mut progress);
        }
        self.cancel(&mut progress);
        progress.custom_status = self.scope_mut().custom_status.take();
        Ok(progress)
    }

    /// A turn without an event so far, with what was asked for since a rewind.
    fn begin_turn(&mut self, now: Timestamp) -> TurnOutcome {
        let scope = self.scope_mut();
        // A clock that was set back must not make an orchestrator see time run backwards, nor make its next timer late.
        scope.clock = now;
        scope.now = scope.now.max(now);
        let mut progress = TurnOutcome {
            at: scope.now,
            events: Vec::new(),
            actions: Vec::new(),
            custom_status: None,
            finished: false,
            next: None,
        };
        self.collect(&mut progress);
        self.deliver_aside(&mut progress);
        progress
    }

    /// Why the turn cannot be trusted, if it cannot.
    fn gives_up(&mut self) -> Option<Report> {
        if let Some(poison) = self.scope_mut().poison.take() {
            return Some(Report::Event(poison));
        }
        self.undecodable().or_else(|| self.root.was_foreign().then(|| self.foreign_wake())).map(Report::Text)
    }

    /// Records how the execution has ended, if it has.
    fn conclude(&mut self, progress: &mut TurnOutcome) {
        if let Some(outcome) = &self.outcome
            && self.future.is_some()
        {
            progress.finished = true;
            progress.events.push(match outcome.clone() {
                Ok(result) => Event::ExecutionCompleted { result },
                Err(failure) => Event::ExecutionFailed { failure },
            });
            self.unload();
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
    }

    /// What the end of an execution leaves: events that no wait has taken, calls without an outcome, a lock.
    fn leave_open(&mut self, late: impl Iterator<Item = Event>, progress: &mut TurnOutcome) {
        let scope = self.scope_mut();
        if progress.next.is_none() {
            let late: Vec<_> = late.collect();
            let late = late.iter().filter_map(|event| match event {
                Event::EventRaised { name, .. } => Some(name.as_str()),
                _ => None,
            });
            let events = scope.not_taken(late);
            let end = progress.events.len().saturating_sub(1);
            if !events.is_empty() {
                progress.events.insert(end, Event::EventsNotTaken { events });
            }
        }
        let open = std::mem::take(&mut scope.open);
        scope.cancelled.extend(open.iter().filter(|(_, open)| open.outcome.is_none()).map(|(id, _)| *id));
        barrier::dispose(scope.orchestrator.name(), open);
        if let Some(work) = scope.abandon_lock() {
            let message = work.event(0, String::new(), Some(scope.caller()));
            progress.actions.push(Action::TellEntity { id: 0, work, message });
        }
    }

    /// Takes back what the turn would start for calls that it has given up, and asks to end the others.
    fn cancel(&mut self, progress: &mut TurnOutcome) {
        for id in self.scope_mut().cancelled.drain(..) {
            let planned = progress.actions.len();
            progress.actions.retain(|action| action.starts() != Some(id) || matches!(action, Action::StartChild { .. }));
            if progress.actions.len() == planned {
                progress.actions.push(Action::Cancel { id });
            }
        }
    }

    /// How the next execution starts: as this one did, but for what has changed.
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
    pub(super) fn collect(&mut self, progress: &mut TurnOutcome) {
        let scope = self.scope_mut();
        for Command { id, work, at } in scope.commands.drain(..) {
            progress.events.push(work.event(id, at));
            progress.actions.extend(match work {
                Work::Entity(work) => {
                    let caller = Caller { instance: scope.instance.to_string(), run: scope.started_at };
                    let message = work.event(id, String::new(), Some(caller));
                    Some(Action::TellEntity { id, work, message })
                }
                work => Action::of(id, work),
            });
        }
        progress.events.extend(scope.patched_now.drain(..).map(|name| Event::Patched { name }));
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
}
