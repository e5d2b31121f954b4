//! What is known of a schedule.

use std::time::SystemTime;

use crate::schedule::keeper::ScheduleState;
use crate::schedule::policy::{CatchUp, Overlap};
use crate::schedule::timetable::Timetable;

/// What is known of a schedule, from [`Schedule::describe`](crate::Schedule::describe).
#[derive(Clone, Debug)]
pub struct ScheduleDescription {
    pub(super) name: String,
    pub(super) state: ScheduleState,
    pub(super) report: Option<String>,
}

impl ScheduleDescription {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The orchestrator of which it starts runs.
    #[must_use]
    pub fn orchestrator(&self) -> &str {
        &self.state.plan.orchestrator
    }

    /// When it fires.
    pub fn timetable(&self) -> &Timetable {
        &self.state.plan.timetable
    }

    /// What it does when a run is due while the one before goes on.
    #[must_use]
    pub fn overlap(&self) -> Overlap {
        self.state.plan.overlap
    }

    /// What it does about times that were missed.
    #[must_use]
    pub fn catch_up(&self) -> CatchUp {
        self.state.plan.catch_up
    }

    /// Why it is paused, if it is.
    #[must_use]
    pub fn paused(&self) -> Option<&str> {
        self.state.paused.as_deref()
    }

    /// The next time of the timetable, if it is not paused.
    #[must_use]
    pub fn next(&self) -> Option<SystemTime> {
        self.state.next().filter(|_| self.state.paused.is_none()).map(|(next, _)| next.into())
    }

    /// The instance id of the run it has started last.
    #[must_use]
    pub fn last_run(&self) -> Option<&str> {
        self.state.last_run.as_deref()
    }

    /// How many times it has let pass because a run went on.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.state.skipped
    }

    /// Why its last run could not be started, why its timetable has no times in this build, or why the schedule itself was parked.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.report.as_deref().or(self.state.error.as_deref())
    }
}
