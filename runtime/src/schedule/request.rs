//! The request for a new schedule or a change of one.

use std::future::IntoFuture;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::ReuseId;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::Failure;
use crate::kernel::function::Function;
use crate::kernel::instance_id::{self, visible};
use crate::kernel::machine::request::StartRequest;
use crate::kernel::payload::Payload;
use crate::orchestration::child::Orchestration;
use crate::schedule::control::Schedule;
use crate::schedule::keeper::{self, Command, Plan, ScheduleState};
use crate::schedule::policy::{CatchUp, Overlap};
use crate::schedule::timetable::Timetable;

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
}

/// A request to create or change a schedule, from [`Schedule::create`] and [`Schedule::update`].
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the field, for an invalid cron pattern, time zone, interval or name;
/// [`ErrorKind::AlreadyExists`] and [`ErrorKind::NotFound`]; or an error from the store.
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
        let checked = instance_id::check(&longest).and_then(|()| instance_id::check(&schedule.id()));
        checked.map_err(|failure| invalid(failure.to_string()))?;
        let plan =
            Plan { schedule: schedule.name.clone(), orchestrator: orchestrator.to_owned(), input, timetable, overlap, catch_up };
        if update {
            return schedule.tell(Command::Update(plan)).await;
        }
        let state = ScheduleState::new(plan, schedule.client.now());
        let call = keeper::keep(state).into_request();
        let request = StartRequest {
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
