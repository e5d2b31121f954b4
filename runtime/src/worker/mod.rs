//! Runs turns and activities on a store it owns.
//!
//! Data goes one way: a message reaches a machine, a job runs what the machine asks for, a batch goes to the store; when that is applied, the
//! effects go to the pool, the clock and other machines, and come back as messages. [`shell`] is the place where all of that is done.

pub(crate) mod activities;
mod children;
mod code;
mod creation;
pub(crate) mod entities;
mod host;
mod loading;
mod patience;
mod places;
mod residents;
mod retired;
pub(crate) mod run;
mod services;
mod shard;
mod shell;
mod shutdown;

use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::activity::States;
use crate::kernel::engine::event::Event;
use crate::kernel::function::Recorded;
use crate::kernel::machine::answers::shutting_down;
use crate::kernel::machine::request::StartRequest;
use crate::kernel::stored::{Instance, InstanceKey, StoreResult};
use crate::lock::Lock;
use crate::registry::Registry;
use crate::store::payload_store::PayloadStore;
use crate::store::{Epoch, ProcessKind};
use crate::time::Time;
use activities::pool::{self, Perform, Pool};
use activities::suspects::Suspects;
use host::Host;
use places::Places;
use residents::Residents;
pub use services::retention::Retention;
use services::retention::{self, Ended};
pub(crate) use services::waiting::outcome_of;
pub(crate) use services::watchers::{Watchers, Watching};
use services::{backlog, clock, inbox};
use shard::Shard;

/// What a worker is told when it is made.
pub(crate) struct Settings {
    pub(crate) max_concurrent_activities: usize,
    pub(crate) max_concurrent_orchestrators: Option<usize>,
    pub(crate) max_loaded_instances: usize,
    pub(crate) verify: bool,
    pub(crate) retention: Option<Retention>,
    pub(crate) cancel_grace: Duration,
    pub(crate) max_process_deaths: u32,
    pub(crate) time: Arc<dyn Time>,
    pub(crate) perform: Perform,
    /// Whether operations of entities have threads on which they may block.
    pub(crate) may_block: bool,
}

/// The worker of this process, as clients see it: the doors to its shard.
pub(crate) struct Worker {
    shard: Arc<Shard>,
}

impl Worker {
    /// Claims the store and takes up everything unfinished in it.
    pub(crate) async fn start(
        store: PayloadStore,
        standby: bool,
        registry: Registry,
        states: States,
        settings: Settings,
    ) -> StoreResult<Arc<Self>> {
        let executor = Handle::current();
        let (claimed, registered) = (store.clone(), registry.registered());
        let epoch = aside(&executor, &store, async move { claimed.claim(standby, registered).await }).await?;
        let suspects = Suspects::open(&store, epoch, store.journal(), settings.max_process_deaths, settings.time.clone()).await;
        let activities = registry.activities().copied().collect::<Vec<_>>().into_iter();
        let payloads = store.payloads().clone();
        let host = Arc::new(Host {
            pool: Arc::new(Pool::new(executor.clone(), &settings, activities, states, payloads, epoch, suspects)),
            places: Places::new(settings.max_concurrent_orchestrators),
            time: settings.time,
            may_block: settings.may_block,
            verify: settings.verify,
            registry,
            executor,
        });
        let shard = Arc::new(Shard {
            residents: Residents::new(settings.max_loaded_instances),
            clock: Arc::new(clock::Clock::new(host.time.clone())),
            backlog: Arc::default(),
            inbox: inbox::Inbox::default(),
            waiters: Lock::default(),
            starts: Lock::default(),
            watchers: Arc::default(),
            retained: settings.retention.map(|retention| Arc::new(Ended::new(retention))),
            retired: Arc::default(),
            settled: Notify::new(),
            stopped: AtomicBool::new(false),
            failed: OnceLock::new(),
            host,
            store,
            epoch,
        });
        shard.open().await?;
        Ok(Arc::new(Self { shard }))
    }

    pub(crate) fn store(&self) -> &PayloadStore {
        &self.shard.store
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.shard.epoch
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.shard.host.registry
    }

    pub(crate) fn watchers(&self) -> &Arc<Watchers> {
        &self.shard.watchers
    }

    pub(crate) fn time(&self) -> &Arc<dyn Time> {
        &self.shard.host.time
    }

    #[cfg(test)]
    pub(crate) fn pool(&self) -> &Pool {
        &self.shard.host.pool
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shard.host.spawn(task);
    }

    /// Asks the store for a caller outside the worker, whose task runs no user code.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        asked: impl Future<Output = StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        self.shard.aside(asked).await
    }

    /// Creates an instance and runs its first turn; answers with its key when both are durable.
    pub(crate) async fn create(&self, request: StartRequest) -> StoreResult<InstanceKey> {
        self.shard.create(request).await
    }

    /// Delivers a message and answers when it is durable.
    pub(crate) async fn send(&self, id: &str, event: Event) -> StoreResult<()> {
        self.shard.send(id, event).await
    }

    /// Takes up an instance that has something to do.
    pub(crate) fn wake(&self, id: &str) {
        self.shard.wake(&id.into());
    }

    /// Asks an entity for an operation; answers when what it did is durable.
    pub(crate) async fn operate(&self, id: &str, event: Event) -> StoreResult<Recorded> {
        self.shard.operate(id, event).await
    }

    /// Takes an entity out of the store when all that was asked of it is done.
    pub(crate) async fn purge_entity(&self, entity: &Instance) -> StoreResult<()> {
        self.shard.purge_entity(entity).await
    }

    /// Waits for the end of a run.
    pub(crate) async fn wait(&self, run: &run::Run) -> StoreResult<Recorded> {
        self.shard.wait(run).await
    }

    /// Waits for the first turn of an instance.
    pub(crate) async fn wait_started(&self, id: &str, look: impl Future<Output = StoreResult<Option<()>>>) -> StoreResult<()> {
        self.shard.wait_started(id, look).await
    }

    /// How many instances are in memory.
    pub(crate) fn loaded(&self) -> usize {
        self.shard.residents.instances.len()
    }

    /// Starts nothing more, gives running activities `grace` to end, and unloads everything.
    pub(crate) async fn shut_down(&self, grace: Duration) -> StoreResult<()> {
        self.shard.shut_down(grace).await
    }

    /// Stops at once. What is under way is left for recovery.
    pub(crate) fn stop(&self) {
        self.shard.stop();
    }
}

impl Shard {
    /// Takes up everything unfinished, and lets the services run.
    async fn open(self: &Arc<Self>) -> StoreResult<()> {
        let bell = self.inbox.bell().clone();
        let heard = bell.clone();
        self.store.listen(ProcessKind::Worker, Arc::new(move || heard.ring()))?;
        let store = self.store.clone();
        self.clock.set_stored(self.aside(async move { store.next_wake().await }).await?);
        self.backlog.take_over();
        let (shard, executor) = (self.clone(), &self.host.executor);
        if !matches!(executor.spawn(async move { shard.take_messages().await }).await, Ok(Ok(()))) {
            bell.ring();
        }
        let weak = || Arc::downgrade(self);
        executor.spawn(inbox::keep_looking(weak(), bell));
        executor.spawn(clock::keep_time(weak(), self.clock.clone()));
        executor.spawn(pool::try_suspects(self.host.pool.clone()));
        executor.spawn(pool::keep_pace(self.host.pool.clone()));
        executor.spawn(backlog::keep_filled(weak(), self.backlog.clone()));
        if let Some(ended) = self.retained.clone() {
            executor.spawn(retention::retain(weak(), ended));
        }
        Ok(())
    }

    /// Asks the store for a caller outside the worker, whose task runs no user code.
    async fn aside<T: Send + 'static>(&self, asked: impl Future<Output = StoreResult<T>> + Send + 'static) -> StoreResult<T> {
        aside(&self.host.executor, &self.store, asked).await
    }
}

/// Runs a question to the store, in a task of its own where a codec or a store of the user's takes part. The task ends with its caller.
async fn aside<T: Send + 'static>(
    executor: &Handle,
    store: &PayloadStore,
    asked: impl Future<Output = StoreResult<T>> + Send + 'static,
) -> StoreResult<T> {
    if !store.runs_user_code() {
        return asked.await;
    }
    let mut task = JoinSet::new();
    task.spawn_on(asked, executor);
    match task.join_next().await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Err(shutting_down()),
    }
}
