//! Which activity may start now: places of the pool, and the limits of each activity and key.
//!
//! The calls of one activity, and of one key of it, are a lane: first come, first served. Lanes that could go take turns, so that a
//! lane with ten thousand calls delays another one by a call, not by ten thousand.
//!
//! Invariant: nothing here waits. A lane that must wait for its time stands in `due`; one that waits for the end of a call of its own
//! is looked at when that comes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::kernel::limits::Throttle;
use crate::worker::pool::Job;

/// How late a start may be without being lost for the rate: what an executor's timers are late, and a little.
const LATE: Duration = Duration::from_millis(10);

/// An activity, and the key of its call where it has one.
pub(crate) type Lane = (&'static str, Option<Arc<str>>);

/// The activities that run and those that wait. Times are those of a clock that nobody sets.
pub(crate) struct Lanes {
    free: usize,
    running: usize,
    closed: bool,
    /// Only activities that have some.
    limits: HashMap<&'static str, Throttle>,
    lines: HashMap<Lane, Line>,
    /// Lanes whose first call may start, in turn.
    ready: VecDeque<Lane>,
    /// Lanes that are to be looked at again at a time: for their next call, or to be forgotten.
    due: BTreeSet<(Duration, Lane)>,
    /// Until when another worker may have started calls.
    inherited: Option<Duration>,
}

#[derive(Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Job>,
    /// When the next call may start, where there is a rate.
    next: Duration,
    /// Whether it stands in `ready`.
    ready: bool,
}

impl Lanes {
    /// With so many places in all, at least one. Where another worker may have started calls until `inherited`, a rate counts on from its
    /// last one.
    pub(crate) fn new(places: usize, limits: HashMap<&'static str, Throttle>, inherited: Option<Duration>) -> Self {
        Self {
            free: places.max(1),
            running: 0,
            closed: false,
            limits,
            lines: HashMap::new(),
            ready: VecDeque::new(),
            due: BTreeSet::new(),
            inherited,
        }
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Whether nothing more starts.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Starts nothing more. Gives back what waits.
    pub(crate) fn close(&mut self) -> Vec<Job> {
        self.closed = true;
        self.ready.clear();
        self.due.clear();
        std::mem::take(&mut self.lines).into_values().flat_map(|line| line.waiting).collect()
    }

    /// What the limits of an activity are counted by.
    pub(crate) fn limits(&self, activity: &str) -> Option<&Throttle> {
        self.limits.get(activity)
    }

    /// When a lane is to be looked at.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes a call in. Gives it back when it may start at once; others that may start are given by [`start`](Self::start).
    pub(crate) fn add(&mut self, job: Job, now: Duration) -> Option<Job> {
        if self.closed {
            return None;
        }
        if self.free > 0 && !self.limits.contains_key(job.lane.0) {
            self.free -= 1;
            self.running += 1;
            return Some(job);
        }
        let lane = job.lane.clone();
        let next = self.first(lane.0);
        self.lines.entry(lane.clone()).or_insert_with(|| Line { next, ..Line::default() }).waiting.push_back(job);
        self.look(lane, now);
        self.start(now)
    }

    /// When the first call of a lane may start.
    fn first(&self, activity: &str) -> Duration {
        let spacing = self.limits.get(activity).and_then(|limits| limits.spacing(LATE));
        self.inherited.zip(spacing).map_or(Duration::ZERO, |(inherited, spacing)| inherited + spacing)
    }

    /// A call of a lane has ended.
    pub(crate) fn release(&mut self, lane: Lane, now: Duration) {
        self.free += 1;
        self.running -= 1;
        if let Some(line) = self.lines.get_mut(&lane) {
            // A call without limits that has started at once was not counted.
            line.running = line.running.saturating_sub(1);
            self.look(lane, now);
        }
    }

    /// Looks at the lanes whose time has come.
    pub(crate) fn ring(&mut self, now: Duration) {
        while self.next_due().is_some_and(|at| at <= now)
            && let Some((_, lane)) = self.due.pop_first()
        {
            self.look(lane, now);
        }
    }

    /// The call whose turn it is, if one may start.
    pub(crate) fn start(&mut self, now: Duration) -> Option<Job> {
        while self.free > 0 {
            let lane = self.ready.pop_front()?;
            let Some(line) = self.lines.get_mut(&lane) else { continue };
            line.ready = false;
            let job = line.waiting.pop_front().filter(|job| !job.is_cancelled());
            if job.is_some() {
                self.free -= 1;
                self.running += 1;
                line.running += 1;
                if let Some(spacing) = self.limits.get(lane.0).and_then(|limits| limits.spacing(LATE)) {
                    line.next = line.next.max(now.saturating_sub(LATE)) + spacing;
                }
            }
            self.look(lane, now);
            if job.is_some() {
                return job;
            }
        }
        None
    }

    /// Puts a lane where it belongs.
    fn look(&mut self, lane: Lane, now: Duration) {
        let Some(line) = self.lines.get_mut(&lane) else { return };
        while line.waiting.front().is_some_and(Job::is_cancelled) {
            line.waiting.pop_front();
        }
        let is_idle = line.running == 0 && line.waiting.is_empty();
        let most = self.limits.get(lane.0).and_then(|limits| limits.max_concurrent).unwrap_or(usize::MAX);
        if line.next > now && (is_idle || !line.waiting.is_empty() && line.running < most) {
            self.due.insert((line.next, lane));
        } else if is_idle {
            self.lines.remove(&lane);
        } else if !line.waiting.is_empty() && line.running < most && !line.ready {
            line.ready = true;
            self.ready.push_back(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use crate::{PerSecond, Runtime};

    static GATE: Semaphore = Semaphore::const_new(0);

    #[dacapo::activity(rate_limit = PerSecond(20), limit_key = key)]
    async fn keyed(key: u32) -> u32 {
        let _is_closed = GATE.acquire().await;
        key
    }

    #[dacapo::orchestrator]
    async fn all_keys(count: u32) -> u32 {
        join_all((0..count).map(keyed)).await.len() as u32
    }

    #[tokio::test]
    async fn keys_that_are_idle_take_no_memory() -> crate::Result<()> {
        let runtime = Runtime::builder("memory:").only_registered().register(keyed).register(all_keys).open().await?;
        let remembered = async |count| {
            while runtime.worker().pool().lanes().lines.len() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let run = runtime.start(all_keys(500)).await?;
        tokio::time::timeout(Duration::from_secs(20), remembered(500)).await.expect("all keys are remembered");
        GATE.close();
        assert_eq!(run.result().await?, 500);
        tokio::time::timeout(Duration::from_secs(20), remembered(0)).await.expect("all keys are forgotten");
        Ok(())
    }
}
