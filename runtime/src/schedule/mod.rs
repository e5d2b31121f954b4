//! Recurring orchestrations.
//!
//! * `timetable` says when, `keeper` is the orchestration that waits and starts runs, `control` and `request` are how users speak to it.
//!
//! Invariant: a schedule is an orchestration like any other, with the id `schedule:NAME`; nothing else is kept of it.

mod control;
mod cron;
mod description;
pub(crate) mod keeper;
mod policy;
mod request;
mod timetable;

use crate::kernel::registration::Registration;
use crate::orchestration::callable::Callable as _;
pub use control::Schedule;
pub use description::ScheduleDescription;
pub use policy::{CatchUp, Overlap};
pub use request::PlanSchedule;
pub use timetable::Timetable;

/// The library's own functions, which every runtime has.
pub(crate) fn registrations() -> Vec<Registration> {
    vec![keeper::keep.registration(), keeper::launch.registration()]
}
