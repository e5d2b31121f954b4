//! Replaying what came before a rewind: failures are left out, and what was completed is kept for whoever asks for it.
//!
//! Without the failures the code gets less far than it did, or goes another way. So a recorded call that the code does not make
//! is put aside, with its result; if the code makes it later, with the same number, name and input, it gets that result and nothing
//! runs again. All of this follows from the history alone, so every replay does the same.

use std::collections::BTreeSet;

use crate::kernel::engine::event::{CallId, Event, Turn};
use crate::kernel::engine::execution::{Execution, TurnOutcome};
use crate::kernel::engine::mismatch::likeness;
use crate::kernel::engine::work::Command;
use crate::kernel::payload::{Likeness, Payload};

/// A recorded call that the code has not made after a rewind, or not yet.
pub(super) struct Aside {
    scheduled: Event,
    completed: Option<Event>,
}

impl Execution {
    /// Replays the turns up to the last rewind.
    pub(super) fn replay_rewound(&mut self, turns: Vec<Turn>) {
        let events = || turns.iter().flat_map(|turn| &turn.events);
        let failed: BTreeSet<CallId> = events()
            .filter_map(|event| match event {
                Event::TaskFailed { id, retry_at: None, .. } => Some(*id),
                _ => None,
            })
            .collect();
        self.position += events().count();
        for turn in turns {
            if self.poison().is_some() {
                return;
            }
            let scope = self.scope_mut();
            scope.replaying = true;
            scope.now = scope.now.max(turn.at);
            for event in turn.events {
                self.replay_leniently(event, &failed);
                while let Some(completed) = self.take_aside() {
                    self.deliver(completed, None, &mut Vec::new());
                }
            }
        }
    }

    fn replay_leniently(&mut self, event: Event, failed: &BTreeSet<CallId>) {
        if let Some(id) = event.made_call() {
            let commands = &mut self.scope_mut().commands;
            match commands.iter().position(|command| is_same(&event, command)) {
                Some(index) => {
                    commands.remove(index);
                    self.adopt(event);
                }
                None => {
                    // What is put aside is compared with calls to come.
                    self.is_undecided |= event.call_input().is_some_and(Payload::is_sealed);
                    self.aside.insert(id, Aside { scheduled: event, completed: None });
                }
            }
            return;
        }
        match &event {
            Event::TaskCompleted { id, .. }
            | Event::SubOrchestrationInstanceCompleted { id, .. }
            | Event::EntityOperationCompleted { id, .. }
            | Event::EntityOperationFailed { id, .. }
            | Event::EntityLockGranted { id, .. }
            | Event::TimerFired { id } => match self.aside.get_mut(id) {
                Some(aside) => aside.completed = Some(event),
                None => drop(self.deliver(event, None, &mut Vec::new())),
            },
            Event::TaskFailed { id, .. } if failed.contains(id) || self.aside.contains_key(id) => {}
            Event::SubOrchestrationInstanceFailed { .. }
            | Event::Patched { .. }
            | Event::EventsNotTaken { .. }
            | Event::ContinueAsNew { .. }
            | Event::ExecutionCompleted { .. }
            | Event::ExecutionFailed { .. }
            | Event::ExecutionTerminated { .. }
            | Event::ExecutionRewound { .. } => {}
            _ => drop(self.deliver(event, None, &mut Vec::new())),
        }
    }

    /// Joins calls that were put aside with the same calls, now that the code has made them; gives the first result among theirs.
    fn take_aside(&mut self) -> Option<Event> {
        loop {
            let aside = &self.aside;
            let commands = &mut self.scope.as_deref_mut().expect("the scope is here between polls").commands;
            let index = commands
                .iter()
                .position(|command| aside.get(&command.id).is_some_and(|aside| is_same(&aside.scheduled, command)))?;
            let command = commands.remove(index)?;
            let Aside { scheduled, completed } = self.aside.remove(&command.id)?;
            self.adopt(scheduled);
            if completed.is_some() {
                return completed;
            }
        }
    }

    /// Gives calls of this turn the results they had before a rewind, and tells no entity twice.
    pub(super) fn deliver_aside(&mut self, progress: &mut TurnOutcome) {
        while !self.aside.is_empty() {
            let known = progress.actions.iter().position(|action| {
                action.call().and_then(|id| self.aside.get(&id)).is_some_and(|aside| {
                    aside.is_done() && progress.events.iter().any(|event| is_same_call(event, &aside.scheduled))
                })
            });
            let Some(id) = known.and_then(|index| progress.actions.remove(index).call()) else { return };
            let Some(completed) = self.aside.remove(&id).and_then(|aside| aside.completed) else { continue };
            let recorded = self.deliver(completed, None, &mut progress.actions);
            progress.events.extend(recorded);
            self.collect(progress);
        }
    }
}

impl Aside {
    /// The call.
    pub(super) fn scheduled(&self) -> &Event {
        &self.scheduled
    }

    /// Whether nothing is to be done for it any more: it has its result, or none is waited for.
    fn is_done(&self) -> bool {
        self.completed.is_some() || matches!(self.scheduled, Event::EntityOperationSignaled { .. })
    }
}

/// Whether two recorded calls are the same, wherever they were written; of timers, which have no name, those of one place are.
fn is_same_call(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::TaskScheduled { id: a, name: n, input: i, .. }, Event::TaskScheduled { id: b, name: m, input: j, .. }) => {
            (a, n) == (b, m) && is_same_input(i, j)
        }
        (
            Event::SubOrchestrationInstanceCreated { id: a, name: n, input: i, instance: s, .. },
            Event::SubOrchestrationInstanceCreated { id: b, name: m, input: j, instance: t, .. },
        ) => (a, n, s) == (b, m, t) && is_same_input(i, j),
        (Event::TimerCreated { id: a, at: p, .. }, Event::TimerCreated { id: b, at: q, .. }) => (a, p) == (b, q),
        (
            Event::EntityOperationCalled { id: a, entity: e, operation: o, input: i, .. },
            Event::EntityOperationCalled { id: b, entity: f, operation: p, input: j, .. },
        )
        | (
            Event::EntityOperationSignaled { id: a, entity: e, operation: o, input: i, .. },
            Event::EntityOperationSignaled { id: b, entity: f, operation: p, input: j, .. },
        ) => (a, e, o) == (b, f, p) && is_same_input(i, j),
        _ => false,
    }
}

fn is_same_input(recorded: &Payload, now: &Payload) -> bool {
    matches!(recorded.likeness(now), Likeness::Same | Likeness::Reordered)
}

/// Whether a recorded call is the one the code makes now.
fn is_same(event: &Event, command: &Command) -> bool {
    matches!(likeness(event, command), Likeness::Same | Likeness::Reordered)
}
