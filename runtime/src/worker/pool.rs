//! Runs activities: at most so many at once, in all and of each kind.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{AbortRegistration, Abortable, Either, select};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::activity::{self, Attempt, Signals, States};
use crate::engine::event::{CallId, Event};
use crate::failure::{Failure, FailureKind};
use crate::function::{Limits, Recorded};
use crate::payload::Payload;
use crate::registry::Registration;
use crate::worker::Worker;
use crate::worker::instance::{Instance, Message};

/// One attempt of an activity that is due.
pub(crate) struct Job {
    pub(crate) instance: Arc<Instance>,
    pub(crate) call: CallId,
    pub(crate) activity: Registration,
    pub(crate) input: Payload,
    pub(crate) attempt: u32,
    pub(crate) limits: Limits,
    pub(crate) key: String,
    pub(crate) abort: AbortRegistration,
    pub(crate) signals: Arc<Signals>,
    pub(crate) last_heartbeat: Option<Payload>,
}

/// The activities that run and those that wait for a place.
pub(crate) struct Pool {
    handle: Handle,
    state: Arc<States>,
    cancel_grace: Duration,
    places: Mutex<Places>,
    emptied: Notify,
}

struct Places {
    free: usize,
    running: usize,
    closed: bool,
    /// Jobs that wait for a place of the pool.
    waiting: VecDeque<Job>,
    /// The activities with a cap of their own, and the jobs that wait for it.
    capped: HashMap<&'static str, Capped>,
}

struct Capped {
    free: usize,
    waiting: VecDeque<Job>,
}

impl Pool {
    pub(crate) fn new(
        handle: Handle,
        limit: usize,
        activities: impl Iterator<Item = Registration>,
        state: States,
        cancel_grace: Duration,
    ) -> Self {
        let cap = |activity: Registration| Some((activity.name(), activity.options().max_concurrent?));
        let capped =
            activities.filter_map(cap).map(|(name, free)| (name, Capped { free: free.max(1), waiting: VecDeque::new() }));
        let places = Places { free: limit.max(1), running: 0, closed: false, waiting: VecDeque::new(), capped: capped.collect() };
        Self { handle, state: Arc::new(state), cancel_grace, places: Mutex::new(places), emptied: Notify::new() }
    }

    /// How long a cancelled activity may clean up.
    pub(crate) fn cancel_grace(&self) -> Duration {
        self.cancel_grace
    }

    /// Runs a job as soon as there is a place for it. A closed pool leaves it for recovery.
    pub(crate) fn submit(self: &Arc<Self>, worker: &Arc<Worker>, job: Job) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = places.admit(job);
        drop(places);
        if let Some(job) = ready {
            let (pool, worker) = (self.clone(), worker.clone());
            self.handle.spawn(async move { pool.run(worker, job).await });
        }
    }

    /// Runs a job, and then whatever waits for the place it had.
    async fn run(self: Arc<Self>, worker: Arc<Worker>, job: Job) {
        let mut next = Some(job);
        while let Some(job) = next {
            let name = job.activity.name();
            let (instance, call) = (job.instance.clone(), job.call);
            let signals = job.signals.clone();
            let event = self.attempt(job).await.map(|event| checked(&worker, name, event));
            instance.attempt_ended(call, signals.end());
            if let Some(event) = event {
                instance.deliver(&worker, Message::of(event));
            }
            // Only now, so that an empty pool means that every outcome has reached its instance.
            next = self.places.lock().unwrap_or_else(PoisonError::into_inner).release(name);
            if next.is_none() {
                self.emptied.notify_waiters();
            }
            tokio::task::consume_budget().await;
        }
    }

    /// Runs one attempt to its event; nothing when it was cancelled.
    async fn attempt(&self, job: Job) -> Option<Event> {
        let Job { instance, call, activity, input, attempt, limits, key, abort, signals, last_heartbeat } = job;
        let instance = instance.id().clone();
        let state = self.state.clone();
        let attempt = Attempt { instance, key, number: attempt, state, signals: signals.clone(), last_heartbeat };
        let body = activity::scope(attempt, activity.run(input));
        let limited = self.limited(body, activity.name(), limits, &signals);
        let (ended, is_late) = Abortable::new(limited, abort).await.ok()?;
        if signals.is_cancelled() && !is_late {
            return None;
        }
        Some(match ended {
            Ok(result) => Event::TaskCompleted { id: call, result },
            Err(failure) => Event::TaskFailed { id: call, failure, retry_at: None },
        })
    }

    /// Runs a body within its limits; tells whether it was given up. One that wants to clean up gets the grace for it.
    async fn limited(
        &self,
        body: impl Future<Output = Recorded>,
        name: &str,
        limits: Limits,
        signals: &Signals,
    ) -> (Recorded, bool) {
        if limits == Limits::default() {
            return (body.await, false);
        }
        tokio::pin!(body);
        let late = late(name, limits, signals);
        tokio::pin!(late);
        match select(body.as_mut(), late).await {
            Either::Left((ended, _)) => (ended, false),
            Either::Right((failure, _)) => {
                if signals.cancel() {
                    let _ = tokio::time::timeout(self.cancel_grace, body).await;
                }
                (Err(failure), true)
            }
        }
    }

    /// Starts nothing more. What waits is left for recovery.
    pub(crate) fn close(&self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.closed = true;
        let mut waiting = vec![std::mem::take(&mut places.waiting)];
        waiting.extend(places.capped.values_mut().map(|capped| std::mem::take(&mut capped.waiting)));
        drop(places);
        drop(waiting);
    }

    /// Waits until nothing runs, at most for `grace`.
    pub(crate) async fn drain(&self, grace: Duration) {
        let empty = async {
            loop {
                let emptied = self.emptied.notified();
                tokio::pin!(emptied);
                emptied.as_mut().enable();
                if self.places.lock().unwrap_or_else(PoisonError::into_inner).running == 0 {
                    return;
                }
                emptied.await;
            }
        };
        let _ = tokio::time::timeout(grace, empty).await;
    }
}

/// A result that is too long is a failure.
fn checked(worker: &Worker, name: &str, event: Event) -> Event {
    let Event::TaskCompleted { id, result } = &event else { return event };
    match worker.store().payloads().excess(format_args!("the result of activity `{name}`"), result) {
        None => event,
        Some(excess) => Event::TaskFailed { id: *id, failure: Failure::new(FailureKind::Codec, excess), retry_at: None },
    }
}

/// Waits until one of the limits is passed.
async fn late(name: &str, limits: Limits, signals: &Signals) -> Failure {
    let whole = async {
        match limits.timeout {
            Some(limit) => {
                tokio::time::sleep(limit).await;
                format!("`{name}` took longer than its timeout of {limit:?}")
            }
            None => std::future::pending().await,
        }
    };
    let silent = async {
        match limits.heartbeat {
            Some(limit) => {
                signals.silent_for(limit).await;
                format!("`{name}` sent no heartbeat for its heartbeat timeout of {limit:?}")
            }
            None => std::future::pending().await,
        }
    };
    tokio::pin!(whole, silent);
    Failure::new(FailureKind::Timeout, select(whole, silent).await.factor_first().0)
}

impl Places {
    /// The job, when it may run now.
    fn admit(&mut self, job: Job) -> Option<Job> {
        if self.closed {
            return None;
        }
        if let Some(capped) = self.capped.get_mut(job.activity.name()) {
            if capped.free == 0 {
                capped.waiting.push_back(job);
                return None;
            }
            capped.free -= 1;
        }
        if self.free == 0 {
            self.waiting.push_back(job);
            return None;
        }
        self.free -= 1;
        self.running += 1;
        Some(job)
    }

    /// Gives back the place of a job of `name`; the next job for it, when one waits.
    fn release(&mut self, name: &str) -> Option<Job> {
        self.free += 1;
        self.running -= 1;
        if let Some(capped) = self.capped.get_mut(name) {
            // The place among its own kind goes to the next of the kind, which then waits for a place of the pool.
            match capped.waiting.pop_front() {
                Some(job) => self.waiting.push_back(job),
                None => capped.free += 1,
            }
        }
        let next = self.waiting.pop_front()?;
        self.free -= 1;
        self.running += 1;
        Some(next)
    }
}
