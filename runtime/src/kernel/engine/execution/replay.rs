//! Replay: the code must make the calls its history tells, in that order, and no others.

use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::engine::execution::Execution;
use crate::kernel::engine::mismatch::{Mismatch, describe_command, describe_event, likeness};
use crate::kernel::engine::poison;
use crate::kernel::engine::scope::Prefetched;
use crate::kernel::engine::work::Work;
use crate::kernel::payload::Likeness;

impl Execution {
    /// Brings a new execution to where its history ends.
    pub(crate) fn replay(&mut self, history: Vec<Turn>) -> Result<(), Box<Mismatch>> {
        if let Some(shadow) = &mut self.shadow {
            shadow.replay(history.clone())?;
        }
        history.iter().for_each(|turn| self.scope_mut().prefetched.add(&turn.events));
        self.scope_mut().put_aside.extend(poison::put_aside(&history));
        let is_rewind = |turn: &Turn| turn.events.iter().any(|event| matches!(event, Event::ExecutionRewound { .. }));
        let mut history = history;
        let since = history.iter().rposition(is_rewind).map_or(0, |last| last + 1);
        let rest = history.split_off(since);
        let goes_on = rest.is_empty();
        self.replay_rewound(history);
        if self.poison().is_some() {
            return self.check_settled();
        }
        rest.into_iter().try_for_each(|turn| self.replay_turn(turn))?;
        // What the code asks for since a rewind is decided by its first turn.
        if goes_on {
            self.scope_mut().cancelled.clear();
        } else {
            self.check_settled()?;
        }
        let mut effects = Prefetched::default();
        self.aside.values().for_each(|aside| effects.add(std::slice::from_ref(aside.scheduled())));
        let scope = self.scope_mut();
        scope.replaying = false;
        scope.prefetched = effects;
        scope.custom_status = None;
        Ok(())
    }

    pub(super) fn replay_turn(&mut self, turn: Turn) -> Result<(), Box<Mismatch>> {
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
    pub(super) fn check_settled(&mut self) -> Result<(), Box<Mismatch>> {
        let next = self.position + 1;
        if self.poison().is_some() {
            return Err(self.mismatch(next, "nothing further: the run goes on".to_owned(), self.unreadable()));
        }
        let values = self.values;
        if let Some(command) = self.scope_mut().commands.front() {
            let actual = describe_command(command, values);
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

    /// What is said of an event that a wait cannot read.
    fn unreadable(&self) -> String {
        self.poison().map(|poison| format!("event {}, `{}`, cannot be read", poison.number, poison.name)).unwrap_or_default()
    }

    fn replay_event(&mut self, position: usize, event: Event) -> Result<(), Box<Mismatch>> {
        match &event {
            // Runs failed by an event that they could not read until this was a reason to park them.
            Event::ExecutionFailed { .. } if self.poison().is_some() => {
                self.scope_mut().poison = None;
                self.unload();
                Ok(())
            }
            _ if self.poison().is_some() => Err(self.differs(position, &event, self.unreadable())),
            made if made.made_call().is_some() => self.replay_call(position, event),
            Event::Patched { .. } | Event::EventsNotTaken { .. } => Ok(()),
            Event::ContinueAsNew { .. } if self.started.is_none() => Ok(()),
            Event::ContinueAsNew { .. } => {
                if self.scope_mut().continuation.take().is_none() {
                    return Err(self.differs(position, &event, "the orchestrator goes on".to_owned()));
                }
                Ok(())
            }
            Event::ExecutionCompleted { .. } | Event::ExecutionFailed { .. } => {
                if self.outcome.is_none() {
                    return Err(self.differs(position, &event, "the orchestrator waits".to_owned()));
                }
                self.unload();
                // A side effect that panicked has no record.
                self.scope_mut().commands.retain(|command| !matches!(command.work, Work::SideEffect { .. }));
                Ok(())
            }
            _ => {
                let values = self.values;
                if let Some(command) = self.scope_mut().commands.front() {
                    let actual = describe_command(command, values);
                    return Err(self.differs(position, &event, actual));
                }
                self.deliver(event, None, &mut Vec::new());
                Ok(())
            }
        }
    }

    /// Compares a recorded call with the next one that the code makes.
    fn replay_call(&mut self, position: usize, event: Event) -> Result<(), Box<Mismatch>> {
        let Some(command) = self.scope_mut().commands.pop_front() else {
            let actual = if self.outcome.is_some() { "the orchestrator returned" } else { "no call" };
            return Err(self.differs(position, &event, actual.to_owned()));
        };
        let likeness = likeness(&event, &command);
        if likeness == Likeness::Same || likeness == Likeness::Reordered && !self.is_strict {
            self.adopt(event);
            return Ok(());
        }
        self.is_undecided |= likeness == Likeness::Undecided;
        let mut mismatch = self.differs(position, &event, describe_command(&command, self.values));
        mismatch.is_order = likeness == Likeness::Reordered;
        Err(mismatch)
    }

    /// Takes from a recorded call what the code may not decide again.
    pub(super) fn adopt(&mut self, event: Event) {
        if let Event::TimerCreated { id, fire_at: recorded, .. } = event
            && let Some(open) = self.scope_mut().open.get_mut(&id)
            && let Work::Timer { fire_at } = &mut open.work
        {
            *fire_at = recorded;
        }
    }

    /// The report that the code does something other than the recorded event.
    fn differs(&self, position: usize, recorded: &Event, actual: String) -> Box<Mismatch> {
        self.mismatch(position, describe_event(recorded, self.values), actual)
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
            is_order: false,
        })
    }
}
