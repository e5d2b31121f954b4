//! A schedule as its users see it.

use std::time::SystemTime;

use crate::client::Client;
use crate::kernel::bounds::check_reason;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::Failure;
use crate::kernel::payload::Payload;
use crate::schedule::description::ScheduleDescription;
use crate::schedule::keeper::{self, COMMANDS, Command, ScheduleState};
use crate::store::Status;
use crate::worker::run::Run;

/// How the instance id of every schedule begins.
const PREFIX: &str = "schedule:";
/// How many times a backfill may have.
const LONGEST_BACKFILL: usize = 10_000;

impl Client {
    /// The schedule of this name, there or not.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use dacapo::{Overlap, Runtime, Timetable, orchestrator};
    ///
    /// #[orchestrator]
    /// async fn report(region: String) -> usize { region.len() }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = Runtime::open("memory:").await?;
    /// let nightly = runtime.schedule("nightly");
    /// let at_two = Timetable::cron("0 2 * * *").time_zone("Europe/Berlin");
    /// nightly.create(at_two, report("north".into())).overlap(Overlap::BufferOne).await?;
    /// nightly.pause("holidays").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedule(&self, name: impl Into<String>) -> Schedule {
        Schedule { client: self.clone(), name: name.into() }
    }

    /// All schedules, by their names.
    ///
    /// # Errors
    /// Errors from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn schedules(&self) -> Result<Vec<ScheduleDescription>, RuntimeError> {
        let mut query = self.query().id_prefix(PREFIX).status(Status::Pending).status(Status::Running).status(Status::Suspended);
        let mut schedules = Vec::new();
        loop {
            let page = query.clone().await?;
            for found in page.instances() {
                let name = found.instance_id().strip_prefix(PREFIX).unwrap_or_default();
                match self.schedule(name).describe().await {
                    Err(error) if error.is_not_found() => {}
                    described => schedules.push(described?),
                }
            }
            match page.next() {
                Some(next) => query = query.after(next),
                None => return Ok(schedules),
            }
        }
    }
}

/// A schedule, from [`Client::schedule`]: it starts runs of an orchestrator at the times of a [`Timetable`](crate::Timetable).
///
/// The run for a time has the id `NAME-2026-11-21T08:00:00Z`, so none runs twice for one time, and the tag `schedule` with the
/// name. What a schedule is told is durable when the call returns, and takes effect as soon as its worker comes to it.
#[derive(Clone)]
pub struct Schedule {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Schedule {
    /// Starts nothing until [`resume`](Self::resume). Runs that are under way go on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the schedule may be paused or not, but never in
    /// part.
    pub async fn pause(&self, reason: &str) -> Result<(), RuntimeError> {
        check_reason(reason)?;
        self.tell(Command::Pause { reason: reason.to_owned() }).await
    }

    /// Goes on after a pause. The times that passed meanwhile are left out; [`backfill`](Self::backfill) runs them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the schedule may go on or not, but never in part.
    pub async fn resume(&self) -> Result<(), RuntimeError> {
        self.tell(Command::Resume).await
    }

    /// Starts a run now, paused or not, as the overlap policy allows.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, a run may be started or not, but never in part.
    pub async fn trigger(&self) -> Result<(), RuntimeError> {
        self.tell(Command::Trigger).await
    }

    /// Starts the runs for all times from `from` up to `to` at once, whatever the overlap policy says. Those that have run are not run again.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for more than 10,000 times; [`ErrorKind::NotFound`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the runs may be started or not, but never in part.
    pub async fn backfill(&self, from: SystemTime, to: SystemTime) -> Result<(), RuntimeError> {
        let (from, to) = (from.into(), to.into());
        let timetable = self.state().await?.0.plan.timetable;
        if keeper::times(&timetable, from, to).nth(LONGEST_BACKFILL).is_some() {
            let message = format!("the schedule `{}` has more than 10,000 times in that range; backfill it in parts", self.name);
            return Err(RuntimeError::new(ErrorKind::Invalid, message));
        }
        self.tell(Command::Backfill { from, to }).await
    }

    /// What is known of the schedule.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn describe(&self) -> Result<ScheduleDescription, RuntimeError> {
        let (state, report) = self.state().await?;
        let report = report.or_else(|| state.without_times());
        Ok(ScheduleDescription { name: self.name.clone(), state, report })
    }

    /// Ends and deletes it; what it has started is left. It waits for the worker.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the schedule may have ended without being deleted.
    /// Call it again.
    pub async fn delete(&self) -> Result<(), RuntimeError> {
        let id = self.id();
        match self.client.terminate(&id, "the schedule is deleted").await {
            Err(error) if error.kind() == ErrorKind::Finished => {}
            Err(error) => return Err(self.named(error)),
            Ok(()) => drop(self.client.outcome(&Run::any(&id)).await?),
        }
        self.client.purge(&id).await.map(drop)
    }

    pub(super) fn id(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    pub(super) async fn tell(&self, command: Command) -> Result<(), RuntimeError> {
        self.client.raise(&self.id(), COMMANDS, command).await.map_err(|error| self.named(error))
    }

    async fn state(&self) -> Result<(ScheduleState, Option<String>), RuntimeError> {
        let status = self.client.status(self.id()).await.map_err(|error| self.named(error))?;
        let decoded = status.input().map(Payload::decode).transpose();
        let decoded = decoded.map_err(|failure: Failure| RuntimeError::new(ErrorKind::Incompatible, failure.to_string()))?;
        let state = decoded.ok_or_else(|| RuntimeError::new(ErrorKind::Unreadable, "the schedule cannot be decoded"))?;
        Ok((state, status.report().map(str::to_owned)))
    }

    /// The error in the words of schedules.
    pub(super) fn named(&self, error: RuntimeError) -> RuntimeError {
        match error.kind() {
            kind @ ErrorKind::NotFound => RuntimeError::new(kind, format!("there is no schedule with the name `{}`", self.name)),
            kind @ ErrorKind::AlreadyExists => {
                let message = format!("a schedule with the name `{}` exists already; change it with `update`", self.name);
                RuntimeError::new(kind, message)
            }
            _ => error,
        }
    }
}
