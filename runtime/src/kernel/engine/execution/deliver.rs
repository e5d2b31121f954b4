//! The delivery of one event: what it changes, and whom it wakes.

use std::task::Waker;

use crate::kernel::barrier;
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::engine::execution::{Action, Execution};
use crate::kernel::engine::scope::Scope;
use crate::kernel::engine::work::Work;
use crate::kernel::failure::Failure;
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;

impl Execution {
    /// Delivers one event and polls if it woke somebody. Gives the event as it is recorded, or nothing when it is stale.
    ///
    /// `live` is the time of the decision about a retry; in a replay that decision is in the event.
    pub(super) fn deliver(&mut self, mut event: Event, live: Option<Timestamp>, actions: &mut Vec<Action>) -> Option<Event> {
        let scope = self.scope.as_deref_mut().expect("the scope is here between polls");
        let waker = match &mut event {
            Event::ExecutionStarted { .. } => {
                self.begin(&event);
                return Some(event);
            }
            Event::TaskCompleted { id, result } | Event::SubOrchestrationInstanceCompleted { id, result } => {
                scope.complete(*id, Ok(result.clone()))?
            }
            Event::SubOrchestrationInstanceFailed { id, failure, retry_at } => {
                fail_child(scope, *id, failure, Retry { recorded: retry_at, live })?
            }
            Event::TaskFailed { id, failure, retry_at } => {
                fail_activity(scope, *id, failure, Retry { recorded: retry_at, live }, actions)?
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
                scope.continuation = None;
                self.unload();
                self.outcome = event.outcome();
                return Some(event);
            }
            Event::ExecutionResumed { .. } => None,
            _ => return None,
        };
        if let Some(waker) = waker {
            self.wake(waker);
        }
        Some(event)
    }

    /// Makes the future of the orchestrator, and polls it for the first time.
    fn begin(&mut self, started: &Event) {
        let Event::ExecutionStarted { input, shape, parent, continued, .. } = started else { return };
        let scope = self.scope.as_deref_mut().expect("the scope is here between polls");
        scope.parent = parent.as_ref().map(|parent| parent.instance.as_str().into());
        scope.started_at = scope.now;
        if let Some(continued) = continued.clone() {
            scope.go_on(continued);
        }
        let can_read = scope.can_read(input);
        self.recorded_shape = *shape;
        let mut kept = started.clone();
        if let Event::ExecutionStarted { input, continued, .. } = &mut kept {
            (*input, *continued) = (Payload::null(), None);
        }
        self.started = Some(kept);
        if can_read {
            self.future = Some(self.orchestrator.run(input.clone()));
            self.poll();
        }
    }

    /// Wakes the leaf that waits, and polls if that woke the orchestrator.
    fn wake(&mut self, waker: Waker) {
        let woken = self.root.inside(|| barrier::run(|| waker.wake()));
        if let Err(failure) = woken {
            self.scope_mut().fatal.get_or_insert(failure);
            self.poll();
        } else if self.root.take_woken() {
            self.poll();
        }
    }
}

/// The decision about another attempt: taken at the time `live`, or read from the event.
struct Retry<'e> {
    recorded: &'e mut Option<Timestamp>,
    live: Option<Timestamp>,
}

impl Retry<'_> {
    /// When the next attempt starts, if there is one; from here on the event says so.
    fn decide(self, again: impl FnOnce(Timestamp) -> Option<Timestamp>) -> Option<Timestamp> {
        if let Some(now) = self.live {
            *self.recorded = again(now);
        }
        *self.recorded
    }
}

/// A sub-orchestration failed: its call has an outcome, whether or not the code calls it again.
fn fail_child(scope: &mut Scope, id: CallId, failure: &Failure, retry: Retry<'_>) -> Option<Option<Waker>> {
    let open = scope.open.get_mut(&id).filter(|open| open.outcome.is_none())?;
    let Work::Child { attempts: Some(attempts), .. } = &open.work else { return None };
    open.retry_at = retry.decide(|now| attempts.again(&scope.instance, id, failure, now));
    scope.complete(id, Err(failure.clone()))
}

/// An attempt of an activity failed: the next one is planned, or its call has an outcome.
fn fail_activity(
    scope: &mut Scope,
    id: CallId,
    failure: &Failure,
    retry: Retry<'_>,
    actions: &mut Vec<Action>,
) -> Option<Option<Waker>> {
    let open = scope.open.get_mut(&id).filter(|open| open.outcome.is_none())?;
    let Work::Activity { attempts, not_before, .. } = &mut open.work else { return None };
    let again = retry.decide(|now| attempts.again(&scope.instance, id, failure, now));
    if again.is_none() {
        return scope.complete(id, Err(failure.clone()));
    }
    attempts.number += 1;
    *not_before = again;
    actions.extend(Action::of(id, open.work.clone()));
    Some(None)
}
