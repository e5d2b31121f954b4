//! The report of a replay that does not follow its history.

use std::fmt;

use crate::kernel::engine::event::Event;
use crate::kernel::engine::work::{Command, Work};
use crate::kernel::payload::{Likeness, Values};

/// What the history holds, what the code does, and where each was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) orchestrator: &'static str,
    pub(crate) instance: String,
    /// The number of the event in the history, counted from 1.
    pub(crate) position: usize,
    pub(crate) recorded: String,
    pub(crate) actual: String,
    pub(crate) recorded_shape: u64,
    pub(crate) actual_shape: u64,
    /// Whether the two differ in nothing but the order of what is in their arguments.
    pub(crate) is_order: bool,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.difference(f)?;
        write!(
            f,
            "\n  nothing is lost: the run is parked; restore the code that recorded it, or fix it, then resume the instance or restart the worker"
        )
    }
}

impl Mismatch {
    /// The report without what to do about it.
    pub(crate) fn difference(&self, f: &mut impl fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "the code of `{}` does not follow the history of `{}` at event {}",
            self.orchestrator, self.instance, self.position
        )?;
        writeln!(f, "  recorded: {}", self.recorded)?;
        writeln!(f, "  now:      {}", self.actual)?;
        if self.is_order {
            return write!(
                f,
                "  both calls have the same arguments in another order, as those of a `HashSet` or `HashMap` are in every process; a worker \
                 takes them for the same call, but what the code does with that order differs between runs: use a `BTreeSet`, a `BTreeMap` \
                 or an `IndexSet`, or collect and sort first [hash_order, see docs/rules.md#hash_order]"
            );
        }
        match (self.recorded_shape == self.actual_shape, self.recorded_shape) {
            (true, _) => write!(
                f,
                "  the code is the same that started the run (shape {:016x}): something in it differs between runs, such as a clock, \
                 a random number or the order of a hash map",
                self.actual_shape
            ),
            (false, 0) => write!(
                f,
                "  it was started from another process, so which code it began with is not known (now shape {:016x}): the orchestrator was \
                 changed while it ran, or something in it differs between runs, such as a clock, a random number or the order of a hash map",
                self.actual_shape
            ),
            (false, recorded) => write!(
                f,
                "  the run was started by other code (shape {recorded:016x}, now {:016x}): the orchestrator was changed while it ran",
                self.actual_shape
            ),
        }
    }
}

impl std::error::Error for Mismatch {}

/// A call that is not recorded, as a report shows it.
pub(crate) fn describe_command(command: &Command, values: Values) -> String {
    describe_event(&command.work.event(command.id, command.at.clone()), values)
}

/// A recorded event, as a report shows it.
pub(crate) fn describe_event(event: &Event, values: Values) -> String {
    match event {
        Event::TaskScheduled { id, name, input, at } => {
            format!("call {id} of activity `{name}` with {} at {at}", values.excerpt(input))
        }
        Event::TimerCreated { id, at, .. } => format!("call {id} of a timer at {at}"),
        Event::SideEffect { id, at, .. } => format!("call {id} of a side effect at {at}"),
        Event::SubOrchestrationInstanceCreated { id, name, input, at, .. } => {
            format!("call {id} of orchestrator `{name}` with {} at {at}", values.excerpt(input))
        }
        Event::EntityOperationCalled { id, entity, operation, input, at, .. } => {
            format!("call {id} of `{operation}` of the entity `{entity}` with {} at {at}", values.excerpt(input))
        }
        Event::EntityOperationSignaled { id, entity, operation, input, at, .. } => {
            format!("signal {id} of `{operation}` to the entity `{entity}` with {} at {at}", values.excerpt(input))
        }
        Event::EntityLockRequested { id, entities, at, .. } => {
            format!("call {id}, the lock of {} at {at}", entities.join(", "))
        }
        Event::EntityUnlockSent { id, lock, at, .. } => format!("call {id}, the end of the lock of call {lock} at {at}"),
        Event::EntityLockGranted { id, .. } => format!("the lock of call {id}, and no call before it"),
        Event::EntityState { .. } => "the state of an entity".to_owned(),
        Event::ExecutionStarted { .. } => "the start of the run".to_owned(),
        Event::Patched { name } => format!("the patch `{name}`"),
        Event::ContinueAsNew { .. } => "the start of the next execution".to_owned(),
        Event::TaskCompleted { id, .. } | Event::EntityOperationCompleted { id, .. } => {
            format!("the result of call {id}, and no call before it")
        }
        Event::TaskFailed { id, .. } | Event::EntityOperationFailed { id, .. } => {
            format!("the failure of call {id}, and no call before it")
        }
        Event::TimerFired { id } => format!("the end of timer {id}, and no call before it"),
        Event::SubOrchestrationInstanceCompleted { id, .. } | Event::SubOrchestrationInstanceFailed { id, .. } => {
            format!("the end of the orchestration of call {id}, and no call before it")
        }
        Event::EventRaised { name, .. } => format!("the event `{name}`, and no call before it"),
        Event::EventsNotTaken { .. } => "the events that no wait has taken".to_owned(),
        Event::ExecutionCompleted { .. } => "the return of the orchestrator".to_owned(),
        Event::ExecutionFailed { .. } => "the failure of the orchestrator".to_owned(),
        Event::ExecutionResumed { .. } => "the resumption of the run".to_owned(),
        Event::ExecutionSuspended { .. } => "the suspension of the run".to_owned(),
        Event::ExecutionRewound { .. } => "the rewind of the run".to_owned(),
        Event::ExecutionTerminated { .. } => "the termination of the run".to_owned(),
    }
}

/// How a recorded call compares with the one the code makes now: they have the same number, kind and name, or they are different; beyond
/// that it is their inputs that decide.
///
/// The due time of a timer is taken from the history, so that a delay can be changed while runs wait.
pub(crate) fn likeness(event: &Event, command: &Command) -> Likeness {
    let inputs = match (event, &command.work) {
        (Event::TaskScheduled { id, name, input, .. }, Work::Activity { name: now, input: with, .. }) => {
            (*id == command.id && name == now).then_some(Some((input, with)))
        }
        (Event::TimerCreated { id, .. }, Work::Timer { .. }) => (*id == command.id).then_some(None),
        (
            Event::SubOrchestrationInstanceCreated { id, name, input, instance, detached, .. },
            Work::Child { name: now, input: with, instance: under, attempts },
        ) => {
            let is_same = *id == command.id && name == now && instance == under && *detached == attempts.is_none();
            is_same.then_some(Some((input, with)))
        }
        (Event::SideEffect { id, .. }, Work::SideEffect { .. }) => (*id == command.id).then_some(None),
        (event, Work::Entity(work)) => work.inputs_of_same(command.id, event),
        _ => None,
    };
    inputs.map_or(Likeness::Different, |inputs| inputs.map_or(Likeness::Same, |(recorded, now)| recorded.likeness(now)))
}
