//! The orchestration that is a schedule: each of its executions waits for the next time or the next command, and acts on it.
//!
//! Invariant: the run for a time has an id made of the schedule's name and that time, so whatever is done twice starts it once.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use dacapo_macros::{activity, orchestrator};
use serde::{Deserialize, Serialize};

use crate::client::{Client, ReuseId};
use crate::kernel::machine::request::StartRequest;
use crate::kernel::payload::{Payload, on_its_own};
use crate::kernel::time::Timestamp;
use crate::orchestration::event::Event;
use crate::schedule::policy::{CatchUp, Overlap};
use crate::schedule::timetable::{Timetable, text};
use crate::store::ErrorClass;
use crate::store::trouble::Backoff;
use crate::worker::Worker;

/// What a run that a schedule has started is labelled with.
pub(super) const TAG: &str = "schedule";

/// What a schedule is told.
pub(super) const COMMANDS: Event<Command> = Event::new("dacapo:command");

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Command {
    Pause { reason: String },
    Resume,
    Trigger,
    Backfill { from: Timestamp, to: Timestamp },
    Update(Plan),
}

/// What a schedule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(super) schedule: String,
    pub(super) orchestrator: String,
    #[serde(serialize_with = "on_its_own")]
    pub(super) input: Payload,
    pub(super) timetable: Timetable,
    pub(super) overlap: Overlap,
    pub(super) catch_up: CatchUp,
}

/// A schedule, as one execution of its orchestration leaves it to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScheduleState {
    pub(super) plan: Plan,
    /// Up to here all times are dealt with.
    pub(super) handled: Timestamp,
    pub(super) paused: Option<String>,
    /// The run that was started last.
    pub(super) last_run: Option<String>,
    /// A time whose run waits for the end of that, and since when it waits.
    pub(super) buffered: Option<(Timestamp, Timestamp)>,
    /// How many times were let pass because a run went on.
    pub(super) skipped: u64,
    /// Why the last run could not be started.
    pub(super) error: Option<String>,
}

/// The worker that runs the activities of schedules, which start runs by it. Set when it has been made.
#[derive(Clone, Default)]
pub(crate) struct Here(Arc<OnceLock<Weak<Worker>>>);

impl Here {
    pub(crate) fn set(&self, worker: &Arc<Worker>) {
        let _ = self.0.set(Arc::downgrade(worker));
    }
}

/// What is late by less was not missed.
const ON_TIME: Duration = Duration::from_secs(10);
/// How many times one execution deals with.
const AT_ONCE: usize = 100;

impl ScheduleState {
    pub(super) fn new(plan: Plan, now: Timestamp) -> Self {
        Self { plan, handled: now, paused: None, last_run: None, buffered: None, skipped: 0, error: None }
    }

    /// The next time and when it fires.
    pub(super) fn next(&self) -> Option<(Timestamp, Timestamp)> {
        let next = self.plan.timetable.next(self.handled).ok().flatten()?;
        Some((next, next.after(self.plan.timetable.delay(&self.plan.schedule, next))))
    }

    /// Why the times of its timetable cannot be found. What was planned by another build may have a time zone that this one does not know.
    pub(super) fn without_times(&self) -> Option<String> {
        self.plan.timetable.check().err()
    }

    /// When there is something to do without a command.
    fn wakes_at(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(error) = self.without_times() {
            tracing::error!(
                schedule = self.plan.schedule,
                error,
                "a schedule does not fire, because its timetable cannot be used"
            );
        }
        // Sooner for one that has waited shortly.
        let again = self
            .buffered
            .map(|(_, since)| now.after((now.since(since) / 4).clamp(Duration::from_millis(20), Duration::from_secs(10))));
        let fires = self.next().filter(|_| self.paused.is_none()).map(|(_, fires)| fires);
        again.into_iter().chain(fires).min()
    }

    /// Takes off the times that are due, as the policy has it for those that were missed.
    fn take_due(&mut self, now: Timestamp) -> Vec<Timestamp> {
        let mut due = Vec::new();
        if self.paused.is_some() {
            return due;
        }
        let window = match self.plan.catch_up {
            CatchUp::None | CatchUp::Last => ON_TIME,
            CatchUp::Within(window) => window.max(ON_TIME),
        };
        // The last moment before the window.
        let floor = Timestamp(now.0.saturating_sub(i64::try_from(window.as_micros()).unwrap_or(i64::MAX)).saturating_sub(1));
        if self.handled < floor {
            let last = self.plan.timetable.last(floor).ok().flatten();
            due.extend(last.filter(|last| *last > self.handled && self.plan.catch_up == CatchUp::Last));
            self.handled = floor;
        }
        while let Some((at, _)) = self.next().filter(|(_, fires)| *fires <= now)
            && due.len() < AT_ONCE
        {
            due.push(at);
            self.handled = at;
        }
        due
    }

    /// Does what it is told; gives the times for which runs are wanted now.
    fn obey(&mut self, command: Command, now: Timestamp) -> Vec<(Timestamp, Overlap)> {
        match command {
            Command::Pause { reason } => self.paused = Some(reason),
            Command::Resume => {
                // What passed while it was paused was not missed.
                if self.paused.take().is_some() {
                    self.handled = now;
                }
            }
            Command::Trigger => return vec![(now, self.plan.overlap)],
            Command::Backfill { from, to } => {
                return times(&self.plan.timetable, from, to).map(|at| (at, Overlap::AllowAll)).collect();
            }
            Command::Update(plan) => {
                self.plan = plan;
                self.handled = now;
            }
        }
        Vec::new()
    }

    fn launched(&mut self, at: Timestamp, run: String, launched: Launched, now: Timestamp) {
        match launched {
            Launched::Started => (self.last_run, self.error) = (Some(run), None),
            Launched::Overlaps if self.plan.overlap == Overlap::BufferOne && self.buffered.is_none() => {
                self.buffered = Some((at, now))
            }
            Launched::Overlaps => self.skipped += 1,
            Launched::Failed(error) => self.error = Some(error),
        }
    }
}

/// The times of a timetable from `from` up to `to`.
pub(super) fn times(timetable: &Timetable, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let mut at = Timestamp(from.0.saturating_sub(1));
    std::iter::from_fn(move || {
        at = timetable.next(at).ok().flatten().filter(|next| *next <= to)?;
        Some(at)
    })
}

#[orchestrator(crate = crate, name = "dacapo:schedule")]
pub(crate) async fn keep(state: ScheduleState) {
    let mut state = state;
    // Recorded: another build may know other rules of a time zone.
    let wakes_at = crate::side_effect(|| state.wakes_at(crate::now().into()));
    let command = match wakes_at {
        None => Some(COMMANDS.wait().await),
        Some(at) => crate::select! {
            command = COMMANDS.wait() => Some(command),
            () = crate::sleep_until(at.into()) => None,
        },
    };
    let decided = crate::side_effect(|| {
        let mut state = state.clone();
        let (now, overlap) = (crate::now().into(), state.plan.overlap);
        let waiting = state.buffered.take_if(|_| command.is_none());
        let mut runs: Vec<_> = waiting.map(|(at, _)| (at, Overlap::BufferOne)).into_iter().collect();
        match command {
            Some(command) => runs.extend(state.obey(command, now)),
            None => runs.extend(state.take_due(now).into_iter().map(|at| (at, overlap))),
        }
        (state, runs, waiting)
    });
    let (decided, runs, waiting) = decided;
    state = decided;
    #[sequential]
    for (at, overlap) in runs {
        let Plan { schedule, orchestrator, input, .. } = state.plan.clone();
        let id = format!("{schedule}-{}", text(at));
        let start = StartRun { schedule, orchestrator, input, id: id.clone(), overlap, previous: state.last_run.clone() };
        let launched = launch(start).await;
        let since = waiting.filter(|(waits, _)| *waits == at).map_or_else(|| crate::now().into(), |(_, since)| since);
        state.launched(at, id, launched, since);
    }
    crate::continue_as_new(keep(state)).await
}

/// A run that is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StartRun {
    schedule: String,
    orchestrator: String,
    #[serde(serialize_with = "on_its_own")]
    input: Payload,
    id: String,
    overlap: Overlap,
    previous: Option<String>,
}

/// What became of a run that was due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Launched {
    Started,
    /// The one before goes on, and the policy has it wait or be left out.
    Overlaps,
    Failed(String),
}

/// Starts a run, unless the one before is in its way. Done again after a crash it finds the run that it has started.
#[activity(crate = crate, name = "dacapo:launch")]
pub(crate) async fn launch(start: StartRun) -> Launched {
    let Some(worker) = crate::activity::find_state::<Here>().and_then(|here| here.0.get()?.upgrade()) else {
        return Launched::Failed("the runtime is shut down".to_owned());
    };
    let client = Client::of(worker);
    let mut backoff = Backoff::default();
    loop {
        match start.clone().launch(&client).await {
            // The store cannot be asked now, which says nothing of this run.
            Err(error) if error.class() == ErrorClass::Passing => {
                if backoff.is_news() {
                    tracing::warn!(schedule = start.schedule, %error, "failed to start a scheduled run; retrying");
                }
                client.time().sleep(backoff.pause()).await;
            }
            // Left for the next worker.
            Err(error) if error.class() == ErrorClass::Fatal => std::future::pending().await,
            launched => return launched.unwrap_or_else(|error| Launched::Failed(error.to_string())),
        }
    }
}

impl StartRun {
    async fn launch(self, client: &Client) -> Result<Launched, crate::RuntimeError> {
        if let Some(found) = client.find_any(&self.id).await? {
            let is_ours = found.tags.get(TAG) == Some(&self.schedule);
            let taken = || format!("the id `{}` belongs to an orchestration that this schedule has not started", self.id);
            return Ok(if is_ours { Launched::Started } else { Launched::Failed(taken()) });
        }
        let previous = match &self.previous {
            Some(previous) => client.find_any(previous).await?.filter(|found| !found.state.status.is_terminal()),
            None => None,
        };
        if let Some(previous) = previous {
            match self.overlap {
                Overlap::Skip | Overlap::BufferOne => return Ok(Launched::Overlaps),
                Overlap::AllowAll => {}
                Overlap::TerminateOther => {
                    let reason = format!("the schedule `{}` starts its next run", self.schedule);
                    client.end(&previous, &reason).await?;
                }
            }
        }
        let request = StartRequest {
            id: self.id,
            name: self.orchestrator,
            version: 1,
            input: self.input,
            at: None,
            tags: BTreeMap::from([(TAG.to_owned(), self.schedule)]),
            trace: None,
            replaces: Vec::new(),
        };
        client.create_or(request, ReuseId::UseExisting).await.map(|_| Launched::Started)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CatchUp, Overlap, Payload, Plan, ScheduleState, Timestamp, Timetable};

    const SECOND: i64 = 1_000_000;

    /// A schedule of every minute that was down since the minute 10.
    fn down(catch_up: CatchUp) -> ScheduleState {
        let timetable = Timetable::every(Duration::from_secs(60));
        let (schedule, orchestrator) = ("s".to_owned(), "o".to_owned());
        let plan = Plan { schedule, orchestrator, input: Payload::null(), timetable, overlap: Overlap::Skip, catch_up };
        ScheduleState::new(plan, Timestamp(600 * SECOND))
    }

    fn minutes(state: &mut ScheduleState, now: i64) -> Vec<i64> {
        state.take_due(Timestamp(now * SECOND)).into_iter().map(|at| at.0 / SECOND / 60).collect()
    }

    #[test]
    fn what_was_missed_is_caught_up_as_the_policy_has_it() {
        // Back in the middle of the minute 15.
        assert_eq!(minutes(&mut down(CatchUp::None), 930), [] as [i64; 0]);
        assert_eq!(minutes(&mut down(CatchUp::Last), 930), [15]);
        assert_eq!(minutes(&mut down(CatchUp::Within(Duration::from_secs(150))), 930), [13, 14, 15]);
        assert_eq!(minutes(&mut down(CatchUp::Within(Duration::MAX)), 930), [11, 12, 13, 14, 15]);
        // Late by a second only: not missed.
        assert_eq!(minutes(&mut down(CatchUp::None), 661), [11]);
    }

    #[test]
    fn a_timetable_that_this_build_cannot_use_is_told() {
        let mut state = down(CatchUp::Last);
        assert_eq!(state.without_times(), None);
        state.plan.timetable = Timetable::cron("0 8 * * *").time_zone("Mars/Olympus");
        assert!(state.without_times().is_some_and(|error| error.starts_with("unknown time zone `Mars/Olympus`")));
    }

    #[test]
    fn no_time_is_dealt_with_twice_and_a_long_list_comes_in_parts() {
        let mut state = down(CatchUp::Within(Duration::MAX));
        let mut all = Vec::new();
        while let part @ [_, ..] = &minutes(&mut state, 600 + 250 * 60)[..] {
            assert!(part.len() <= 100);
            all.extend_from_slice(part);
        }
        assert_eq!(all, (11..=260).collect::<Vec<_>>());
        let mut state = down(CatchUp::Last);
        assert_eq!((minutes(&mut state, 930), minutes(&mut state, 930)), (vec![15], vec![]));
    }
}
