//! Activities that ran when the process died. Which of them has killed it is found out by running them one at a time.
//!
//! * What ran at a death becomes a suspect. A suspect that was alone on trial is blamed: its deaths are counted.
//! * Suspects run one at a time, those with the fewest deaths first, while all others run as ever. Of those with as many deaths, the one that
//!   began first goes first: what kills at once is the last that began. So an innocent suspect ends, and is one no more, before a guilty
//!   one is tried again.
//! * A suspect that has run for some time is no longer on trial, and the next one begins: what runs for hours keeps nobody waiting.
//! * One with as many deaths as are allowed parks its run, until that is resumed.
//!
//! Invariant: while there are no suspects nothing is locked, and a start of an activity costs one short write.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::kernel::engine::execution::Action;
use crate::kernel::payload::{Excerpt, Values};
use crate::lock::{Held, Lock};
use crate::store::payload_store::PayloadStore;
use crate::store::{CallId, Epoch, InstanceKey, Lookup, Status};
use crate::time::Time;
use crate::worker::activities::job::Job;
use crate::worker::activities::journal::{Journal, Mark, Note, blamed, read};

/// How long a suspect is the only one that runs.
const TRIAL: Duration = Duration::from_secs(30);

/// How long a worker waits after its start for the suspects that its instances bring, to begin with the one of the fewest deaths.
const GATHERING: Duration = Duration::from_millis(20);

/// How long it waits for those that are less suspect than the next one, and have not come.
const ARRIVAL: Duration = Duration::from_secs(2);

/// How long others have to do their work before a suspect is tried, for each death but the first, and once more for the most suspect of
/// several.
const RESPITE: Duration = Duration::from_millis(150);

/// How long calls that are only of the activity of a suspect go before it.
const PRECEDENCE: Duration = Duration::from_secs(1);

/// How many deaths make all calls of an activity be run one at a time.
const NOTORIOUS: u32 = 2;

/// A call of an activity.
type Id = (InstanceKey, CallId);

/// What a worker knows of activities that ran when a process died.
pub(crate) struct Suspects {
    journal: Option<Journal>,
    /// With so many deaths a run is parked.
    limit: u32,
    /// Whether there may be any.
    any: AtomicBool,
    time: Arc<dyn Time>,
    closed: AtomicBool,
    inner: Lock<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    known: HashMap<Id, Suspect>,
    on_trial: Option<(Id, &'static str)>,
    /// With the time at which each came, by a clock that nobody sets.
    waiting: Vec<(Duration, Job)>,
    /// When the last trial ended.
    tried_at: Option<Duration>,
    /// Who is tried last.
    last: Option<Rank>,
}

/// How suspect one is: its deaths, and when it began.
type Rank = (u32, u32);

#[derive(Clone, Copy)]
struct Suspect {
    attempt: u32,
    deaths: u32,
    begun: u32,
    /// Whether it is going to be tried by this worker.
    expected: bool,
    /// Where it stands in the journal.
    place: usize,
}

impl Suspects {
    /// Reads what the process before has left, and blames whom it has to. Without a path, or with a limit of 0, nothing is known and noted.
    pub(crate) async fn open(
        store: &PayloadStore,
        epoch: Epoch,
        path: Option<PathBuf>,
        limit: u32,
        time: Arc<dyn Time>,
    ) -> Arc<Self> {
        let mut known = HashMap::new();
        let mut journal = None;
        if let Some(path) = path.filter(|_| limit > 0) {
            let mut suspects = blamed(&read(&path, Epoch(epoch.0 - 1)));
            let mut expected = HashSet::new();
            for index in (0..suspects.len()).rev() {
                let instance = suspects[index].instance;
                match store.find(Lookup::Key(instance)).await {
                    Ok(None) => drop(suspects.swap_remove(index)),
                    Ok(Some(found)) if found.state.status.is_terminal() => drop(suspects.swap_remove(index)),
                    Ok(Some(found)) if found.state.status == Status::Running => drop(expected.insert(instance)),
                    Ok(Some(_)) | Err(_) => {}
                }
            }
            journal = Journal::create(&path, epoch, &suspects)
                .inspect_err(|error| {
                    tracing::warn!(%error, path = %path.display(), "failed to open the journal of running activities; \
                        an activity that ends the process again and again will not be noticed");
                })
                .ok();
            let place = |(place, note): (usize, &Note)| {
                let Note { instance, call, attempt, deaths, begun, .. } = *note;
                ((instance, call), Suspect { attempt, deaths, begun, expected: expected.contains(&instance), place })
            };
            known = suspects.iter().enumerate().map(place).collect();
        }
        let any = AtomicBool::new(!known.is_empty());
        let last = known.values().map(Suspect::rank).max().filter(|_| known.len() > 1);
        let inner = Lock::leaf(Inner { known, last, ..Inner::default() });
        Arc::new(Self { journal, limit, any, time, closed: AtomicBool::new(false), inner, changed: Notify::new() })
    }

    fn lock(&self) -> Held<'_, Inner> {
        self.inner.lock()
    }

    /// Tries the calls of an instance again.
    pub(crate) fn forgive(&self, instance: InstanceKey) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        for ((key, call), suspect) in &mut self.lock().known {
            if *key == instance {
                suspect.deaths = 0;
                if let Some(journal) = &self.journal {
                    let (mark, deaths) = (Mark::Suspect, 0);
                    let Suspect { attempt, begun, .. } = *suspect;
                    let note = Note { instance, call: *call, attempt, mark, deaths, begun };
                    journal.note_suspect(suspect.place, Some(note));
                }
            }
        }
    }

    /// Lets a job pass that is no suspect. Keeps any other until its turn comes.
    pub(crate) fn admit(&self, job: Job) -> Option<Job> {
        if !self.any.load(Ordering::Relaxed) {
            return Some(job);
        }
        let mut inner = self.lock();
        if !inner.is_suspect(&job) {
            return Some(job);
        }
        inner.waiting.push((self.time.uptime(), job));
        drop(inner);
        self.changed.notify_one();
        None
    }

    /// Forgets the calls of an instance that it no longer waits for.
    fn settle(&self, instance: InstanceKey, pending: &[Action]) {
        let waits = |call: CallId, number: u32| {
            pending.iter().any(|action| {
                matches!(action, Action::StartActivity { id, attempt, not_before: None, .. } if (*id, *attempt) == (call, number))
            })
        };
        let settled: Vec<_> = self
            .lock()
            .known
            .extract_if(|(key, call), suspect| *key == instance && !waits(*call, suspect.attempt))
            .map(|(_, suspect)| suspect.place)
            .collect();
        for place in settled {
            self.journal.iter().for_each(|journal| journal.note_suspect(place, None));
            self.changed.notify_one();
        }
    }

    /// Waits until another job may be tried, or nobody is any more.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How long the job that is to be tried next has to wait, if one is.
    pub(super) fn next_waits(&self, begun: Duration) -> Option<Duration> {
        let mut inner = self.lock();
        let now = self.time.uptime();
        inner.waiting.retain(|(_, job)| !job.is_cancelled());
        if inner.on_trial.is_some() {
            return None;
        }
        let rank = inner.rank(&inner.waiting[inner.first(now)?].1);
        let comes = |(id, suspect): (&Id, &Suspect)| {
            suspect.expected && suspect.rank() < rank && inner.waiting.iter().all(|(_, job)| job.id() != *id)
        };
        let gathering = if inner.known.iter().any(comes) { ARRIVAL } else { GATHERING };
        let respites = rank.0.saturating_sub(1) + u32::from(inner.last == Some(rank));
        let quiet = now.saturating_sub(inner.tried_at.unwrap_or(begun));
        Some(gathering.saturating_sub(now.saturating_sub(begun)).max((RESPITE * respites).saturating_sub(quiet)))
    }

    /// The next job, if none is tried.
    pub(super) fn next(self: &Arc<Self>) -> Option<Job> {
        let mut inner = self.lock();
        if inner.on_trial.is_some() {
            return None;
        }
        let first = inner.first(self.time.uptime())?;
        let (_, mut job) = inner.waiting.remove(first);
        let id = job.id();
        if let Some(suspect) = inner.known.get_mut(&id) {
            suspect.expected = false;
        }
        inner.on_trial = Some((id, job.activity.name()));
        job.trial = Some(Box::new(Trial { suspects: self.clone(), id }));
        Some(job)
    }

    /// Notes that a job runs, until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, job: &Job) -> Noted {
        let (instance, call) = job.id();
        let is_suspect = self.any.load(Ordering::Relaxed) && (job.trial.is_some() || self.lock().known.contains_key(&job.id()));
        let mark = if job.trial.is_some() { Mark::OnTrial } else { Mark::Running };
        let note = Note { instance, call, attempt: job.attempt, mark, deaths: 0, begun: 0 };
        let place = self.journal.as_ref().map(|journal| journal.begin(note));
        Noted { suspects: self.clone(), id: (instance, call), place, is_suspect }
    }

    /// Ends a trial, if that is the one that goes on.
    fn release(&self, id: Id) {
        let mut inner = self.lock();
        if inner.on_trial.take_if(|(on_trial, _)| *on_trial == id).is_some() {
            inner.tried_at = Some(self.time.uptime());
            drop(inner);
            self.changed.notify_one();
        }
    }

    /// Tries nobody any more. What runs is left by the worker, and not by a death.
    pub(crate) fn close(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        if let Some(journal) = &self.journal {
            journal.clear();
        }
        drop(waiting);
        self.closed.store(true, Ordering::Release);
        self.changed.notify_one();
    }
}

impl Suspect {
    fn rank(&self) -> Rank {
        (self.deaths, self.begun)
    }
}

impl Inner {
    /// One that never ran when a process died is of an activity that is tried.
    fn rank(&self, job: &Job) -> Rank {
        self.known.get(&job.id()).filter(|suspect| suspect.attempt == job.attempt).map_or((0, 0), Suspect::rank)
    }

    /// Who of those that wait is tried next. What only is of the activity of a suspect goes before it, but not for ever: there may always
    /// be more of it.
    fn first(&self, now: Duration) -> Option<usize> {
        let is_known = |job: &Job| self.deaths(job.id(), job.attempt).is_some();
        let is_overdue = self.waiting.iter().any(|(came, job)| is_known(job) && now.saturating_sub(*came) > PRECEDENCE);
        let order = |(_, (_, job)): &(usize, &(Duration, Job))| (is_overdue && !is_known(job), self.rank(job));
        self.waiting.iter().enumerate().min_by_key(order).map(|(first, _)| first)
    }

    fn deaths(&self, id: Id, attempt: u32) -> Option<u32> {
        self.known.get(&id).filter(|suspect| suspect.attempt == attempt).map(|suspect| suspect.deaths)
    }

    /// Whether a job ran when a process died, or one of its activity is tried that has been blamed more than once.
    fn is_suspect(&self, job: &Job) -> bool {
        let name = job.activity.name();
        let is_notorious = |id: &Id| self.known.get(id).is_some_and(|suspect| suspect.deaths >= NOTORIOUS);
        self.deaths(job.id(), job.attempt).is_some()
            || self.on_trial.as_ref().is_some_and(|(id, on_trial)| *on_trial == name && is_notorious(id))
            || self.waiting.iter().any(|(_, waiting)| waiting.activity.name() == name && is_notorious(&waiting.id()))
    }
}

impl Suspects {
    /// Why one of the calls that an instance waits for may not run any more.
    pub(crate) fn deadly(&self, key: InstanceKey, id: &str, pending: &[Action], values: Values) -> Option<String> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.settle(key, pending);
        pending.iter().find_map(|action| {
            let Action::StartActivity { id: call, name, input, attempt, not_before: None, .. } = action else { return None };
            let deaths = self.lock().deaths((key, *call), *attempt).filter(|deaths| *deaths >= self.limit)?;
            let input = match values {
                Values::Hidden => "encrypted, not shown here".to_owned(),
                Values::Shown => Excerpt(input.as_str()).to_string(),
            };
            Some(format!(
                "the process died {deaths} times while activity `{name}` ran (call {call}, input {input})\n  \
                 nothing is lost: the run is parked; make the activity survive this input, then try it again with `dacapo resume {id}` or \
                 `client.resume(id, reason)`"
            ))
        })
    }
}

/// A job is the only suspect that runs, or is about to, until this is dropped.
pub(crate) struct Trial {
    suspects: Arc<Suspects>,
    id: Id,
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.suspects.release(self.id);
    }
}

/// A job runs until this is dropped.
pub(crate) struct Noted {
    suspects: Arc<Suspects>,
    id: Id,
    place: Option<usize>,
    is_suspect: bool,
}

impl Drop for Noted {
    fn drop(&mut self) {
        let Some(journal) = &self.suspects.journal else { return };
        if let Some(place) = self.place {
            journal.end(place, self.is_suspect);
        }
        if self.is_suspect
            && let Some(cleared) = self.suspects.lock().known.remove(&self.id)
        {
            journal.note_suspect(cleared.place, None);
        }
    }
}

/// Ends a trial that has gone on for long.
pub(crate) async fn acquit(suspects: Arc<Suspects>, id: Id) {
    suspects.time.sleep(TRIAL).await;
    suspects.release(id);
}
