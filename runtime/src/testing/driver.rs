//! Runs a worker step by step: until it is quiet, then one answer or one leap of the clock further.
//!
//! Everything runs on one thread, in an order that only the [`Schedule`] decides, so that a run can be repeated.
//! That it is quiet is told by the executor, which is about to park its thread: nothing that could run is left.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{Either, select};
use tokio::sync::Notify;

use crate::activity::States;
use crate::client::Client;
use crate::lock::{Held, Lock};
use crate::runtime::{Builder, Runtime};
use crate::store::{Lookup, MemoryStore, Store as _, Timestamp};
use crate::testing::schedule::Schedule;
use crate::testing::stage::Stage;
use crate::testing::store::{Commits, crashing};
use crate::testing::time::VirtualTime;
use crate::time::Time as _;

/// How long a test may take in real time before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a test cannot go on, for whoever reads its output.
pub(super) type Stuck = String;

/// What a test changes in the settings of its runtime.
pub(super) type Change = dyn Fn(Builder) -> Builder + Send + Sync;

/// A worker that does nothing unless it is driven.
pub(super) struct Driver {
    /// Taken when it is dropped.
    executor: Option<tokio::runtime::Runtime>,
    quiet: Arc<Notify>,
    memory: MemoryStore,
    pub(super) time: VirtualTime,
    pub(super) stage: Arc<Stage>,
    pub(super) commits: Arc<Commits>,
    schedule: Lock<Schedule>,
    states: Lock<States>,
    settings: Lock<Arc<Change>>,
    runtime: Lock<Option<Runtime>>,
}

impl Driver {
    pub(super) fn new(schedule: Schedule, crashes: BTreeSet<usize>) -> Self {
        let quiet = Arc::new(Notify::new());
        let parked = quiet.clone();
        let mut executor = tokio::runtime::Builder::new_current_thread();
        executor.enable_all().on_thread_park(move || parked.notify_one());
        Self {
            executor: Some(executor.build().expect("a thread's own executor starts")),
            quiet,
            memory: MemoryStore::new(),
            time: VirtualTime::new(),
            stage: Arc::default(),
            commits: Arc::new(Commits::crashing(crashes)),
            schedule: Lock::leaf(schedule),
            states: Lock::default(),
            settings: Lock::leaf(Arc::new(|builder| builder)),
            runtime: Lock::leaf(None),
        }
    }

    pub(super) fn states(&self) -> Held<'_, States> {
        self.states.lock()
    }

    pub(super) fn set(&self, change: Arc<Change>) {
        *self.settings.lock() = change;
    }

    pub(super) fn schedule(&self) -> Held<'_, Schedule> {
        self.schedule.lock()
    }

    /// Whether the worker has been started.
    pub(super) fn is_open(&self) -> bool {
        self.runtime.lock().is_some()
    }

    /// Runs a future to its end, on a thread of its own where this one belongs to an executor.
    pub(super) fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let executor = self.executor.as_ref().expect("the executor lives as long as the driver");
        if tokio::runtime::Handle::try_current().is_err() {
            return executor.block_on(future);
        }
        let outcome = std::thread::scope(|scope| scope.spawn(|| executor.block_on(future)).join());
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Waits until nothing can run.
    async fn quiet(&self) {
        let _ = self.quiet.notified().now_or_never();
        self.quiet.notified().await;
    }

    async fn client(&self) -> Result<Client, Stuck> {
        if let Some(runtime) = &*self.runtime.lock() {
            return Ok(runtime.client());
        }
        let store = crashing(self.memory.clone(), self.commits.clone());
        let stage = self.stage.clone();
        let states = self.states().clone();
        let perform = Arc::new(move |activity, input| stage.perform(activity, input));
        let builder = Runtime::with_store(store).verify(true).simulated(Arc::new(self.time.clone()), perform, states);
        let change = self.settings.lock().clone();
        let runtime = change(builder).open().await.map_err(|error| error.to_string())?;
        let client = runtime.client();
        *self.runtime.lock() = Some(runtime);
        Ok(client)
    }

    /// Drops the worker as a crash does. The next one starts when it is asked for.
    async fn crash(&self) {
        let runtime = self.runtime.lock().take();
        drop(runtime);
        self.quiet().await;
        self.commits.revive();
    }

    /// Works towards `goal` until it is reached; nothing when all is quiet without it. Time passes up to `until` at most.
    ///
    /// After a crash the goal is asked for anew. `watched` is the instance that must not be parked meanwhile.
    pub(super) async fn drive<T, G>(
        &self,
        until: Timestamp,
        watched: Option<&str>,
        goal: impl Fn(Client) -> G,
    ) -> Result<Option<T>, Stuck>
    where
        G: Future<Output = T> + Send,
        T: Send,
    {
        let begun = Instant::now();
        loop {
            let mut goal = pin!(goal(self.client().await?));
            loop {
                if let Either::Left((reached, _)) = select(&mut goal, pin!(self.quiet())).await {
                    return Ok(Some(reached));
                }
                if let Some(problem) = self.stage.problem() {
                    return Err(problem);
                }
                if self.commits.crashed() {
                    break;
                }
                if let Some(id) = watched {
                    self.check_runs(id).await?;
                }
                if begun.elapsed() > PATIENCE {
                    return Err(self.endless());
                }
                if !self.step(until).await {
                    return Ok(None);
                }
            }
            self.crash().await;
        }
    }

    /// Lets one thing happen. `false` when there is nothing.
    async fn step(&self, until: Timestamp) -> bool {
        let ready = self.stage.ready();
        if !ready.is_empty() {
            let chosen = self.schedule().choose(&ready);
            self.stage.release(chosen);
            return true;
        }
        if self.stage.is_busy() {
            // What an activity does in earnest takes the time it takes.
            let _ = tokio::time::timeout(PATIENCE, self.stage.ended()).await;
            return true;
        }
        match self.time.next().filter(|at| *at <= until) {
            Some(at) => {
                self.time.advance_to(at);
                true
            }
            None => false,
        }
    }

    /// Fails with the report of an instance that is parked.
    async fn check_runs(&self, id: &str) -> Result<(), Stuck> {
        let found = self.memory.find(Lookup::Id(id.to_owned())).await;
        let report = found.ok().flatten().and_then(|instance| instance.state.report);
        report.map_or(Ok(()), Err)
    }

    fn endless(&self) -> Stuck {
        let passed = self.time.elapsed();
        format!(
            "after {PATIENCE:?} of real and {passed:?} of virtual time this still goes on; an orchestration that never ends is moved \
             with `harness.advance(duration)`, an activity that never answers is not for `harness.real`"
        )
    }

    /// Makes a request and lets everything happen that follows from it without time passing.
    ///
    /// A request of several commits is `whole`: it is answered before a crash comes.
    pub(super) fn request<T, G>(&self, whole: bool, request: impl FnOnce(Client) -> G + Send) -> Result<T, Stuck>
    where
        G: Future<Output = T> + Send,
        T: Send,
    {
        self.block_on(async {
            self.commits.hold(whole);
            let mut request = pin!(request(self.client().await?));
            let answer = loop {
                match select(&mut request, pin!(self.quiet())).await {
                    Either::Left((answer, _)) => break answer,
                    Either::Right(_) if self.step(self.time.now()).await => {}
                    Either::Right(_) => {
                        let problem = self.stage.problem().unwrap_or_else(|| {
                            "the request waits for something that does not come while time stands still; wait for a result with \
                             `run.result()`, or move the time with `harness.advance(duration)` first"
                                .to_owned()
                        });
                        return Err(problem);
                    }
                }
            };
            self.commits.hold(false);
            self.settle(self.time.now()).await?;
            Ok(answer)
        })
    }

    /// Lets everything happen until `until`, and makes it that time.
    pub(super) async fn settle(&self, until: Timestamp) -> Result<(), Stuck> {
        self.drive(until, None, |_| std::future::pending::<()>()).await?;
        self.time.advance_to(until);
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let runtime = self.runtime.lock().take();
        drop(runtime);
        if let Some(executor) = self.executor.take() {
            // Allowed on a thread of another executor, too.
            executor.shutdown_background();
        }
    }
}
