//! Recurring orchestrations.
//!
//! * `timetable` says when, `keeper` is the orchestration that waits and starts runs.
//!
//! Invariant: a schedule is an orchestration like any other, with the id `schedule:NAME`; nothing else is kept of it.

mod cron;
pub(crate) mod keeper;
mod timetable;

use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::client::{Client, ReuseId};
use crate::kernel::bounds::check_reason;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::Failure;
use crate::kernel::function::Function;
use crate::kernel::instance_id::visible;
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::orchestration::callable::Callable as _;
use crate::orchestration::child::Orchestration;
use crate::store::Status;
use crate::worker::request::Request;
use crate::worker::run::Run;
use keeper::{COMMANDS, Command, Keeper, Plan};
pub use timetable::Timetable;

/// What to do when a run is due while the one before goes on. The words are Temporal's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Overlap {
    /// Leave it out.
    #[default]
    Skip,
    /// Start it when the one before has ended; of those that are due meanwhile only the first waits.
    BufferOne,
    /// Start it beside the one before.
    AllowAll,
    /// Terminate the one before and start it.
    TerminateOther,
}

/// What to do about the times at which no worker ran, or that passed more than ten seconds before the worker came to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CatchUp {
    /// Leave them out.
    None,
    /// Fire for the last of them.
    #[default]
    Last,
    /// Fire for all of them that are not longer ago than this.
    Within(Duration),
}

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
    /// A failing store.
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

/// The library's own functions, which every runtime has.
pub(crate) fn registrations() -> Vec<Registration> {
    vec![keeper::keep.registration(), keeper::launch.registration()]
}

/// How the instance id of every schedule begins.
const PREFIX: &str = "schedule:";
/// How many times a backfill may have.
const LONGEST_BACKFILL: usize = 10_000;

/// A schedule, from [`Client::schedule`]: it starts runs of an orchestrator at the times of a [`Timetable`].
///
/// The run for a time has the id `NAME-2026-11-21T08:00:00Z`, so none runs twice for one time, and the tag `schedule` with the
/// name. What a schedule is told is durable when the call returns, and takes effect as soon as its worker comes to it.
#[derive(Clone)]
pub struct Schedule {
    client: Client,
    name: String,
}

impl Schedule {
    /// Asks for a new schedule of the runs of an orchestrator. Awaiting the request creates it.
    pub fn create<F: Function>(&self, timetable: Timetable, call: Orchestration<F>) -> PlanSchedule {
        self.plan(timetable, call, false)
    }

    /// Asks for a change: what it starts, when, and how, all of it. Times before now are not caught up. Awaiting the request does it.
    pub fn update<F: Function>(&self, timetable: Timetable, call: Orchestration<F>) -> PlanSchedule {
        self.plan(timetable, call, true)
    }

    fn plan<F: Function>(&self, timetable: Timetable, call: Orchestration<F>, update: bool) -> PlanSchedule {
        let (input, id) = call.into_request();
        let (overlap, catch_up) = (Overlap::default(), CatchUp::default());
        PlanSchedule { schedule: self.clone(), orchestrator: F::NAME, input, id, timetable, overlap, catch_up, update }
    }

    /// Starts nothing until [`resume`](Self::resume). Runs that are under way go on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failing store.
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
    /// [`ErrorKind::NotFound`], or a failing store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the schedule may go on or not, but never in part.
    pub async fn resume(&self) -> Result<(), RuntimeError> {
        self.tell(Command::Resume).await
    }

    /// Starts a run now, paused or not, as the overlap policy allows.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failing store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, a run may be started or not, but never in part.
    pub async fn trigger(&self) -> Result<(), RuntimeError> {
        self.tell(Command::Trigger).await
    }

    /// Starts the runs for all times from `from` up to `to` at once, whatever the overlap policy says. Those that have run are not run again.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for more than 10,000 times; [`ErrorKind::NotFound`], or a failing store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the runs may be started or not, but never in part.
    pub async fn backfill(&self, from: SystemTime, to: SystemTime) -> Result<(), RuntimeError> {
        let (from, to) = (from.into(), to.into());
        let timetable = self.keeper().await?.0.plan.timetable;
        if keeper::times(&timetable, from, to).nth(LONGEST_BACKFILL).is_some() {
            let message = format!("the schedule `{}` has more than 10,000 times in that range; backfill it in parts", self.name);
            return Err(RuntimeError::new(ErrorKind::Invalid, message));
        }
        self.tell(Command::Backfill { from, to }).await
    }

    /// What is known of the schedule.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failing store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn describe(&self) -> Result<ScheduleDescription, RuntimeError> {
        let (keeper, report) = self.keeper().await?;
        let report = report.or_else(|| keeper.without_times());
        Ok(ScheduleDescription { name: self.name.clone(), keeper, report })
    }

    /// Ends and deletes it; what it has started is left. It waits for the worker.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failing store.
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

    fn id(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    async fn tell(&self, command: Command) -> Result<(), RuntimeError> {
        self.client.raise(&self.id(), COMMANDS, command).await.map_err(|error| self.named(error))
    }

    async fn keeper(&self) -> Result<(Keeper, Option<String>), RuntimeError> {
        let status = self.client.status(self.id()).await.map_err(|error| self.named(error))?;
        let decoded = status.input().map(Payload::decode).transpose();
        let decoded = decoded.map_err(|failure: Failure| RuntimeError::new(ErrorKind::Incompatible, failure.to_string()))?;
        let keeper = decoded.ok_or_else(|| RuntimeError::new(ErrorKind::Unreadable, "the schedule cannot be decoded"))?;
        Ok((keeper, status.report().map(str::to_owned)))
    }

    /// The error in the words of schedules.
    fn named(&self, error: RuntimeError) -> RuntimeError {
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

/// A request to create or change a schedule, from [`Schedule::create`] and [`Schedule::update`].
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the field, for a cron pattern, a time zone, an interval or a name that cannot be;
/// [`ErrorKind::AlreadyExists`] and [`ErrorKind::NotFound`]; a failing store.
///
/// # Cancel safety
/// Awaiting it is not cancel safe: when the future is dropped before it completes, the schedule may have been created or changed, or not,
/// but never in part.
#[must_use = "nothing is scheduled until the request is awaited"]
pub struct PlanSchedule {
    schedule: Schedule,
    orchestrator: &'static str,
    input: Result<Payload, Failure>,
    id: Option<String>,
    timetable: Timetable,
    overlap: Overlap,
    catch_up: CatchUp,
    update: bool,
}

impl PlanSchedule {
    /// What to do when a run is due while the one before goes on. Default: [`Overlap::Skip`].
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// What to do about times that were missed. Default: [`CatchUp::Last`].
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    async fn apply(self) -> Result<(), RuntimeError> {
        let Self { schedule, orchestrator, input, id, timetable, overlap, catch_up, update } = self;
        let invalid =
            |why: String| RuntimeError::new(ErrorKind::Invalid, format!("invalid schedule `{}`: {why}", visible(&schedule.name)));
        let input = input.map_err(|failure| invalid(failure.to_string()))?;
        if let Some(id) = id {
            return Err(invalid(format!(
                "its runs have ids of their own; remove `.id(\"{id}\")` from the call of `{orchestrator}`"
            )));
        }
        timetable.check().map_err(invalid)?;
        // The longest id of a run.
        let longest = format!("{}-2026-11-21T08:00:00.000000Z", schedule.name);
        let checked =
            crate::kernel::instance_id::check(&longest).and_then(|()| crate::kernel::instance_id::check(&schedule.id()));
        checked.map_err(|failure| invalid(failure.to_string()))?;
        let plan =
            Plan { schedule: schedule.name.clone(), orchestrator: orchestrator.to_owned(), input, timetable, overlap, catch_up };
        if update {
            return schedule.tell(Command::Update(plan)).await;
        }
        let keeper = Keeper::new(plan, schedule.client.now());
        let call = keeper::keep(keeper).into_request();
        let request = Request {
            id: schedule.id(),
            name: "dacapo:schedule".to_owned(),
            version: 1,
            input: call.0.map_err(|failure| invalid(failure.to_string()))?,
            at: None,
            tags: Default::default(),
            trace: None,
            replaces: Vec::new(),
        };
        schedule.client.create_or(request, ReuseId::ReplaceTerminal).await.map(drop).map_err(|error| schedule.named(error))
    }
}

impl IntoFuture for PlanSchedule {
    type Output = Result<(), RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.apply().boxed()
    }
}

/// What is known of a schedule, from [`Schedule::describe`].
#[derive(Clone, Debug)]
pub struct ScheduleDescription {
    name: String,
    keeper: Keeper,
    report: Option<String>,
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
        &self.keeper.plan.orchestrator
    }

    /// When it fires.
    pub fn timetable(&self) -> &Timetable {
        &self.keeper.plan.timetable
    }

    /// What it does when a run is due while the one before goes on.
    #[must_use]
    pub fn overlap(&self) -> Overlap {
        self.keeper.plan.overlap
    }

    /// What it does about times that were missed.
    #[must_use]
    pub fn catch_up(&self) -> CatchUp {
        self.keeper.plan.catch_up
    }

    /// Why it is paused, if it is.
    #[must_use]
    pub fn paused(&self) -> Option<&str> {
        self.keeper.paused.as_deref()
    }

    /// The next time of the timetable, if it is not paused.
    #[must_use]
    pub fn next(&self) -> Option<SystemTime> {
        self.keeper.next().filter(|_| self.keeper.paused.is_none()).map(|(next, _)| next.into())
    }

    /// The instance id of the run it has started last.
    #[must_use]
    pub fn last_run(&self) -> Option<&str> {
        self.keeper.last_run.as_deref()
    }

    /// How many times it has let pass because a run went on.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.keeper.skipped
    }

    /// Why its last run could not be started, why its timetable has no times in this build, or why the schedule itself was parked.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.report.as_deref().or(self.keeper.error.as_deref())
    }
}
