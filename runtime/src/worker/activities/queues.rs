//! Which activity may start now: places of the pool, and the limits of each activity and key.
//!
//! The calls of one activity, and of one key of it, are a queue: first come, first served. Queues that could go take turns, so that a
//! queue with ten thousand calls delays another one by a call, not by ten thousand.
//!
//! Invariant: nothing here waits. A queue that must wait for its time stands in `due`; one that waits for the end of a call of its own
//! is looked at when that comes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::kernel::limits::Throttle;
use crate::worker::activities::job::{Job, Queue};

/// How late a start may be without being lost for the rate: what an executor's timers are late, and a little.
const LATE: Duration = Duration::from_millis(10);

/// The activities that run and those that wait. Times are those of a clock that nobody sets.
pub(crate) struct Queues {
    free: usize,
    running: usize,
    closed: bool,
    /// Only activities that have some.
    limits: HashMap<&'static str, Throttle>,
    entries: HashMap<Queue, Entry>,
    /// Queues whose first call may start, in turn.
    ready: VecDeque<Queue>,
    /// Queues that are to be looked at again at a time: for their next call, or to be forgotten.
    due: BTreeSet<(Duration, Queue)>,
    /// Until when another worker may have started calls.
    inherited: Option<Duration>,
}

#[derive(Default)]
struct Entry {
    running: usize,
    waiting: VecDeque<Job>,
    /// When the next call may start, where there is a rate.
    next: Duration,
    /// Whether it stands in `ready`.
    ready: bool,
}

impl Queues {
    /// With so many places in all, at least one. Where another worker may have started calls until `inherited`, a rate counts on from its
    /// last one.
    pub(crate) fn new(places: usize, limits: HashMap<&'static str, Throttle>, inherited: Option<Duration>) -> Self {
        Self {
            free: places.max(1),
            running: 0,
            closed: false,
            limits,
            entries: HashMap::new(),
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
        std::mem::take(&mut self.entries).into_values().flat_map(|entry| entry.waiting).collect()
    }

    /// What the limits of an activity are counted by.
    pub(crate) fn limits(&self, activity: &str) -> Option<&Throttle> {
        self.limits.get(activity)
    }

    /// When a queue is to be looked at.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes a call in. Gives it back when it may start at once; others that may start are given by [`start`](Self::start).
    pub(crate) fn add(&mut self, job: Job, now: Duration) -> Option<Job> {
        if self.closed {
            return None;
        }
        if self.free > 0 && !self.limits.contains_key(job.queue.0) {
            self.free -= 1;
            self.running += 1;
            return Some(job);
        }
        let queue = job.queue.clone();
        let next = self.first(queue.0);
        self.entries.entry(queue.clone()).or_insert_with(|| Entry { next, ..Entry::default() }).waiting.push_back(job);
        self.look(queue, now);
        self.start(now)
    }

    /// When the first call of a queue may start.
    fn first(&self, activity: &str) -> Duration {
        let spacing = self.limits.get(activity).and_then(|limits| limits.spacing(LATE));
        self.inherited.zip(spacing).map_or(Duration::ZERO, |(inherited, spacing)| inherited + spacing)
    }

    /// A call of a queue has ended.
    pub(crate) fn release(&mut self, queue: Queue, now: Duration) {
        self.free += 1;
        self.running -= 1;
        if let Some(entry) = self.entries.get_mut(&queue) {
            // A call without limits that has started at once was not counted.
            entry.running = entry.running.saturating_sub(1);
            self.look(queue, now);
        }
    }

    /// Looks at the queues that are due.
    pub(crate) fn fire_due(&mut self, now: Duration) {
        while self.next_due().is_some_and(|at| at <= now)
            && let Some((_, queue)) = self.due.pop_first()
        {
            self.look(queue, now);
        }
    }

    /// The call whose turn it is, if one may start.
    pub(crate) fn start(&mut self, now: Duration) -> Option<Job> {
        while self.free > 0 {
            let queue = self.ready.pop_front()?;
            let Some(entry) = self.entries.get_mut(&queue) else { continue };
            entry.ready = false;
            let job = entry.waiting.pop_front().filter(|job| !job.is_cancelled());
            if job.is_some() {
                self.free -= 1;
                self.running += 1;
                entry.running += 1;
                if let Some(spacing) = self.limits.get(queue.0).and_then(|limits| limits.spacing(LATE)) {
                    entry.next = entry.next.max(now.saturating_sub(LATE)) + spacing;
                }
            }
            self.look(queue, now);
            if job.is_some() {
                return job;
            }
        }
        None
    }

    /// Puts a queue where it belongs.
    fn look(&mut self, queue: Queue, now: Duration) {
        let Some(entry) = self.entries.get_mut(&queue) else { return };
        while entry.waiting.front().is_some_and(Job::is_cancelled) {
            entry.waiting.pop_front();
        }
        let is_idle = entry.running == 0 && entry.waiting.is_empty();
        let most = self.limits.get(queue.0).and_then(|limits| limits.max_concurrent).unwrap_or(usize::MAX);
        if entry.next > now && (is_idle || !entry.waiting.is_empty() && entry.running < most) {
            self.due.insert((entry.next, queue));
        } else if is_idle {
            self.entries.remove(&queue);
        } else if !entry.waiting.is_empty() && entry.running < most && !entry.ready {
            entry.ready = true;
            self.ready.push_back(queue);
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
            while runtime.worker().pool().queues().entries.len() != count {
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
