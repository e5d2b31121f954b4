//! Runs activities: at most so many at once, in all and of each kind.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{AbortHandle, Abortable, BoxFuture, Either, select};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::activity::Sink;
use crate::activity::{self, Attempt, Signals, States};
use crate::kernel::barrier::{self, Guarded};
use crate::kernel::engine::event::Event;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::{Limits, Recorded};
use crate::kernel::machine::instance::Start;
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::lock::{Held, Lock, Order};
use crate::store::{Epoch, Payloads};
use crate::time::Time;
use crate::worker::Settings;
use crate::worker::activities::job::{Job, Queue, Running};
use crate::worker::activities::queues::Queues;
use crate::worker::activities::suspects::{Suspects, acquit};

/// How the body of an activity is run on recorded input.
pub(crate) type Perform = Arc<dyn Fn(Registration, Payload) -> BoxFuture<'static, Recorded> + Send + Sync>;

/// The activities that run and those that wait for a place.
pub(crate) struct Pool {
    handle: Handle,
    time: Arc<dyn Time>,
    perform: Perform,
    state: Arc<States>,
    cancel_grace: Duration,
    payloads: Payloads,
    queues: Lock<Queues>,
    suspects: Arc<Suspects>,
    emptied: Notify,
    /// A queue has to be looked at earlier than was known.
    earlier: Notify,
}

impl Pool {
    pub(crate) fn new(
        handle: Handle,
        settings: &Settings,
        activities: impl Iterator<Item = Registration>,
        state: States,
        payloads: Payloads,
        epoch: Epoch,
        suspects: Arc<Suspects>,
    ) -> Self {
        let limited = activities.map(|activity| (activity.name(), activity.throttle())).filter(|(_, limits)| limits.is_some());
        let inherited = (epoch > Epoch(1)).then(|| settings.time.uptime());
        let queues = Queues::new(settings.max_concurrent_activities, limited.collect(), inherited);
        let (time, perform) = (settings.time.clone(), settings.perform.clone());
        Self {
            handle,
            time,
            perform,
            state: Arc::new(state),
            cancel_grace: settings.cancel_grace,
            payloads,
            queues: Lock::new(Order::Queues, queues),
            suspects,
            emptied: Notify::new(),
            earlier: Notify::new(),
        }
    }

    /// How long a cancelled activity may clean up.
    pub(crate) fn cancel_grace(&self) -> Duration {
        self.cancel_grace
    }

    pub(super) fn queues(&self) -> Held<'_, Queues> {
        self.queues.lock()
    }

    /// How many activities run.
    pub(crate) fn running(&self) -> usize {
        self.queues().running()
    }

    /// What the limits of an activity are counted by for this input.
    pub(crate) fn limit_key(&self, activity: &Registration, input: &Payload) -> Result<Option<Arc<str>>, Failure> {
        let limits = self.queues().limits(activity.name()).copied();
        limits.map_or(Ok(None), |limits| limits.key_of(input))
    }

    pub(crate) fn suspects(&self) -> &Arc<Suspects> {
        &self.suspects
    }

    /// The job of an attempt, and the means to end it before its end.
    pub(crate) fn job(&self, sink: Arc<dyn Sink>, start: Start) -> (Running, Job) {
        let Start { owner, call, activity, limit_key, input, attempt, limits, idempotency_key, last_heartbeat, trace } = start;
        let (handle, abort) = AbortHandle::new_pair();
        let signals = Signals::new(&sink, self.handle.clone(), self.time.clone(), owner, call);
        let running = Running { abort: handle, signals: signals.clone() };
        let (queue, key, trial) = ((activity.name(), limit_key), idempotency_key, None);
        let job =
            Job { sink, owner, trial, call, activity, input, attempt, limits, key, queue, abort, signals, last_heartbeat, trace };
        (running, job)
    }

    /// Runs a job as soon as there is a place for it and its limits let it, and a suspect when its turn comes. A closed pool leaves it for
    /// recovery.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) {
        if let Some(job) = self.suspects.admit(job) {
            self.enter(job);
        }
    }

    /// The same for a job whose turn has come.
    pub(super) fn enter(self: &Arc<Self>, job: Job) {
        let ready = self.change(|queues, now| queues.add(job, now));
        self.spawn(ready);
    }

    /// Changes what waits. Whoever keeps the pace is told when it is due earlier.
    fn change<T>(&self, change: impl FnOnce(&mut Queues, Duration) -> T) -> T {
        let mut queues = self.queues();
        let before = queues.next_due();
        let changed = change(&mut queues, self.time.uptime());
        if queues.next_due().is_some_and(|due| before.is_none_or(|before| due < before)) {
            self.earlier.notify_one();
        }
        changed
    }

    fn spawn(self: &Arc<Self>, job: Option<Job>) {
        if let Some(job) = job {
            self.handle.spawn(self.clone().run(job));
        }
    }

    /// Runs a job, and then whatever waits for the place it had. What follows from the last outcome runs in this task, too.
    async fn run(self: Arc<Self>, job: Job) {
        let mut next = Some(job);
        while let Some(job) = next {
            let place = Place { pool: &self, queue: Some(job.queue.clone()) };
            let name = job.activity.name();
            let (sink, call) = (job.sink.clone(), job.call);
            let signals = job.signals.clone();
            let event = self.attempt(job).await.map(|event| self.checked(name, event));
            let last_heartbeat = signals.end().await;
            let follows = sink.ended(call, last_heartbeat, event);
            // Only now, so that an empty pool means that every outcome has reached its instance.
            next = place.pass_on();
            match (follows, &next) {
                (Some(follows), None) => follows.await,
                (Some(follows), Some(_)) => drop(self.handle.spawn(follows)),
                (None, _) => tokio::task::consume_budget().await,
            }
        }
    }

    /// Runs one attempt to its event; nothing when it was cancelled.
    async fn attempt(&self, job: Job) -> Option<Event> {
        let _noted = self.suspects.begin(&job);
        if job.trial.is_some() {
            self.handle.spawn(acquit(self.suspects.clone(), job.id()));
        }
        let Job { sink, call, activity, input, attempt, limits, key, abort, signals, last_heartbeat, trace, .. } = job;
        let instance = sink.instance().clone();
        let state = self.state.clone();
        let attempt = Attempt { instance, key, number: attempt, state, signals: signals.clone(), last_heartbeat, trace };
        // Boxed, because each function that hands it on would keep a place for it.
        let body = Box::pin(Guarded::new(activity.name(), activity::scope(attempt, (self.perform)(activity, input))));
        let body = body.map(Result::flatten);
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
        // Boxed, so that an activity without limits stays small.
        Box::pin(self.watched(body, name, limits, signals)).await
    }

    async fn watched(
        &self,
        body: impl Future<Output = Recorded>,
        name: &str,
        limits: Limits,
        signals: &Signals,
    ) -> (Recorded, bool) {
        tokio::pin!(body);
        let late = late(&*self.time, name, limits, signals);
        tokio::pin!(late);
        match select(body.as_mut(), late).await {
            Either::Left((ended, _)) => (ended, false),
            Either::Right((failure, _)) => {
                if signals.cancel() {
                    select(body, self.time.sleep(self.cancel_grace)).await;
                }
                (Err(failure), true)
            }
        }
    }

    /// A result that is too long is a failure.
    fn checked(&self, name: &str, event: Event) -> Event {
        let Event::TaskCompleted { id, result } = &event else { return event };
        match self.payloads.excess(format_args!("the result of activity `{name}`"), result) {
            None => event,
            Some(excess) => Event::TaskFailed { id: *id, failure: Failure::new(FailureKind::Codec, excess), retry_at: None },
        }
    }

    /// Starts nothing more. What waits is left for recovery.
    pub(crate) fn close(&self) {
        let waiting = self.queues().close();
        self.earlier.notify_one();
        drop(waiting);
    }

    /// Waits until nothing runs, at most for `grace`.
    pub(crate) async fn drain(&self, grace: Duration) {
        let empty = pin!(async {
            loop {
                let emptied = self.emptied.notified();
                tokio::pin!(emptied);
                emptied.as_mut().enable();
                if self.running() == 0 {
                    return;
                }
                emptied.await;
            }
        });
        select(empty, self.time.sleep(grace)).await;
    }
}

/// What was given to activities is the user's, and may be dropped by whoever held the worker last.
impl Drop for Pool {
    fn drop(&mut self) {
        let state = std::mem::take(&mut self.state);
        self.handle.spawn(async move { barrier::dispose("the state of activities", state) });
    }
}

/// A place in the pool that is taken. Dropped, it goes to whatever waits for it.
struct Place<'p> {
    pool: &'p Arc<Pool>,
    queue: Option<Queue>,
}

impl Place<'_> {
    /// Gives the place back; the job that is to have it.
    fn pass_on(mut self) -> Option<Job> {
        self.release()
    }

    fn release(&mut self) -> Option<Job> {
        let queue = self.queue.take()?;
        let next = self.pool.change(|queues, now| {
            queues.release(queue, now);
            queues.start(now)
        });
        if next.is_none() {
            self.pool.emptied.notify_waiters();
        }
        next
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let next = self.release();
        self.pool.spawn(next);
    }
}

/// Waits until one of the limits is passed.
async fn late(time: &dyn Time, name: &str, limits: Limits, signals: &Signals) -> Failure {
    let whole = async {
        match limits.timeout {
            Some(limit) => {
                time.sleep(limit).await;
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

/// Starts what a rate has kept back, when its time comes, until the pool is closed.
pub(crate) async fn keep_pace(pool: Arc<Pool>) {
    loop {
        let (due, closed) = {
            let queues = pool.queues();
            (queues.next_due(), queues.is_closed())
        };
        if closed {
            return;
        }
        let earlier = std::pin::pin!(pool.earlier.notified());
        match due {
            Some(due) => drop(select(earlier, pool.time.sleep(due.saturating_sub(pool.time.uptime()))).await),
            None => earlier.await,
        }
        pool.queues().fire_due(pool.time.uptime());
        loop {
            let ready = pool.queues().start(pool.time.uptime());
            if ready.is_none() {
                break;
            }
            pool.spawn(ready);
        }
    }
}

/// Starts the next suspect whenever a trial ends, until nobody is tried any more. One that has been blamed before gives others a moment to do
/// their work first.
pub(crate) async fn try_suspects(pool: Arc<Pool>) {
    let suspects = pool.suspects().clone();
    let begin = pool.time.uptime();
    loop {
        suspects.changed().await;
        while let Some(patience) = suspects.next_waits(begin) {
            if !patience.is_zero() {
                // Those who come meanwhile may go first.
                select(pin!(suspects.changed()), pool.time.sleep(patience)).await;
                continue;
            }
            if let Some(job) = suspects.next() {
                pool.enter(job);
            }
        }
        if suspects.is_closed() {
            return;
        }
    }
}
