//! Runs turns and activities on a store it owns.
//!
//! Data goes one way: a message reaches an [`Instance`], which runs a turn and sends a batch to the store;
//! when that is durable the turn's actions go to the [`Pool`], the [`Clock`] and other instances,
//! and come back as messages.

mod backlog;
mod calls;
mod children;
pub(crate) mod clock;
mod commit;
mod creation;
pub(crate) mod entities;
mod entity;
mod inbox;
pub(crate) mod instance;
mod journal;
mod lanes;
mod letter;
mod loading;
mod message;
mod operations;
mod parking;
mod patience;
mod places;
pub(crate) mod pool;
pub(crate) mod request;
mod retention;
mod retired;
pub(crate) mod run;
mod shutdown;
mod suspects;
pub(crate) mod time;
mod turn;
mod waiting;
pub(crate) mod watchers;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::activity::States;
use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id;
use crate::registry::Registry;
use crate::store::kept::Kept;
use crate::store::{self, Epoch, Role, StoreResult, Timestamp};
use backlog::Backlog;
use clock::Clock;
use entities::{Entities, new_entity};
use instance::{Delivered, Instance};
use message::Message;
pub(crate) use parking::wrong_state;
use places::Places;
use pool::{Job, Perform, Pool};
use retention::Ended;
pub use retention::Retention;
use retired::Retired;
pub(crate) use shutdown::shutting_down;
use suspects::Suspects;
use time::Time;
use waiting::Waiter;
pub(crate) use waiting::outcome_of;
use watchers::Watchers;

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

/// The one worker of a store.
pub(crate) struct Worker {
    store: Kept,
    epoch: Epoch,
    registry: Registry,
    handle: Handle,
    time: Arc<dyn Time>,
    pool: Arc<Pool>,
    clock: Arc<Clock>,
    backlog: Arc<Backlog>,
    places: Places,
    instances: Mutex<HashMap<Arc<str>, Arc<Instance>>>,
    waiters: Mutex<HashMap<Arc<str>, Vec<Waiter>>>,
    /// Instances that were resting with nothing under way, the longest first.
    idle: Mutex<VecDeque<Weak<Instance>>>,
    max_loaded: usize,
    may_block: bool,
    verify: bool,
    /// The highest inbox number that was handed out.
    scanned: AtomicI64,
    scanning: tokio::sync::Mutex<()>,
    /// Whether the inbox could not be read, and is read again by itself.
    unheard: AtomicBool,
    /// Inbox numbers above `scanned` that a turn has taken: a scan that read them before must not hand them out again.
    taken: Mutex<BTreeSet<i64>>,
    stopped: AtomicBool,
    /// Why it has stopped, if its store has failed for good.
    ended: OnceLock<RuntimeError>,
    /// Those who wait for the first turn of an instance.
    starts: Mutex<HashMap<Arc<str>, Vec<oneshot::Sender<()>>>>,
    retained: Option<Arc<Ended>>,
    entities: Entities,
    watchers: Arc<Watchers>,
    retired: Arc<Retired>,
}

impl Worker {
    /// Claims the store and takes up everything unfinished in it.
    pub(crate) async fn start(
        store: Kept,
        standby: bool,
        registry: Registry,
        states: States,
        settings: Settings,
    ) -> StoreResult<Arc<Self>> {
        let handle = Handle::current();
        let (claimed, registered) = (store.clone(), registry.registered());
        let epoch = aside(&handle, &store, async move { claimed.claim(standby, registered).await }).await?;
        let suspects = Suspects::open(&store, epoch, store.journal(), settings.max_process_deaths).await;
        let activities = registry.activities().copied().collect::<Vec<_>>().into_iter();
        let worker = Arc::new(Self {
            pool: Arc::new(Pool::new(handle.clone(), &settings, activities, states, epoch, suspects)),
            clock: Arc::new(Clock::new(settings.time.clone())),
            time: settings.time,
            backlog: Arc::default(),
            places: Places::new(settings.max_concurrent_orchestrators),
            max_loaded: settings.max_loaded_instances,
            may_block: settings.may_block,
            verify: settings.verify,
            store,
            epoch,
            registry,
            handle,
            instances: Mutex::default(),
            waiters: Mutex::default(),
            idle: Mutex::default(),
            scanned: AtomicI64::new(0),
            scanning: tokio::sync::Mutex::default(),
            unheard: AtomicBool::new(false),
            taken: Mutex::default(),
            stopped: AtomicBool::new(false),
            ended: OnceLock::new(),
            starts: Mutex::default(),
            retained: settings.retention.map(|retention| Arc::new(Ended::new(retention))),
            entities: Entities::default(),
            watchers: Arc::default(),
            retired: Arc::default(),
        });
        let weak = Arc::downgrade(&worker);
        let rung = move || {
            if let Some(worker) = weak.upgrade() {
                let scanner = worker.clone();
                worker.spawn(async move { scanner.scan().await });
            }
        };
        worker.store.listen(Role::Worker, Arc::new(rung))?;
        let store = worker.store.clone();
        worker.clock.set_stored(worker.aside(async move { store.next_wake().await }).await?);
        let scanner = worker.clone();
        let _ = worker.handle.spawn(async move { scanner.scan().await }).await;
        worker.spawn(keep_time(Arc::downgrade(&worker), worker.clock.clone()));
        worker.spawn(suspects::try_suspects(Arc::downgrade(&worker), worker.pool.clone()));
        worker.spawn(pool::keep_pace(Arc::downgrade(&worker), worker.pool.clone()));
        worker.spawn(backlog::keep_filled(Arc::downgrade(&worker), worker.backlog.clone()));
        if let Some(ended) = worker.retained.clone() {
            worker.spawn(retention::retain(Arc::downgrade(&worker), ended));
        }
        Ok(worker)
    }

    pub(crate) fn store(&self) -> &Kept {
        &self.store
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn watchers(&self) -> &Arc<Watchers> {
        &self.watchers
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn time(&self) -> &Arc<dyn Time> {
        &self.time
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Runs what may block, on a thread for that. In a test, which counts on its one thread, in a task.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        if self.may_block {
            self.handle.spawn_blocking(work);
        } else {
            self.handle.spawn(async move { work() });
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Asks the store for a caller outside the worker, whose task runs no user code.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        asked: impl Future<Output = StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        aside(&self.handle, &self.store, asked).await
    }

    fn instances(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers a message and answers when it is durable.
    pub(crate) async fn send(self: &Arc<Self>, id: &str, event: Event) -> StoreResult<()> {
        self.check_running()?;
        let (ack, answer) = oneshot::channel();
        self.route(&id.into(), Message { ack: Some(ack), ..Message::of(event) });
        answer.await.unwrap_or_else(|_| Err(self.stopped_by()))
    }

    /// Delivers a message to an instance, which is loaded if it is not. May be called from anywhere: what it causes runs in tasks of its own.
    pub(crate) fn route(self: &Arc<Self>, id: &Arc<str>, message: Message) {
        if instance_id::is_entity(id) {
            return self.route_to_entity(id, message);
        }
        let mut message = message;
        loop {
            if let Err(stopped) = self.check_running() {
                return message.refuse(stopped);
            }
            let (instance, is_new) = match self.instances().entry(id.clone()) {
                Entry::Occupied(entry) => (entry.get().clone(), false),
                Entry::Vacant(entry) => (entry.insert(Instance::unloaded(id.clone())).clone(), true),
            };
            let delivered = instance.try_deliver(self, message);
            if is_new {
                self.load(instance.clone());
            }
            match delivered {
                Delivered::Taken => return,
                Delivered::Wakes => return instance.work_later(self),
                Delivered::Gone(back) => message = *back,
            }
            self.forget(&instance);
        }
    }

    /// Takes up an instance that has something to do.
    pub(crate) fn wake(self: &Arc<Self>, id: &str) {
        self.route(&id.into(), Message::nudge());
    }

    /// Takes up sub-orchestrations that were just created.
    pub(crate) fn begin(&self, children: &[Option<store::InstanceKey>]) {
        if let Some(first) = children.iter().flatten().min() {
            self.backlog.add(*first);
        }
    }

    /// How long a cancelled activity may clean up.
    pub(crate) fn cancel_grace(&self) -> Duration {
        self.pool.cancel_grace()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn submit(self: &Arc<Self>, jobs: Vec<Job>) {
        jobs.into_iter().for_each(|job| self.pool.submit(self, job));
    }

    /// Takes an instance out of the map, if it is the one that is in it.
    pub(crate) fn forget(&self, instance: &Arc<Instance>) {
        let mut instances = self.instances();
        if instances.get(instance.id()).is_some_and(|there| Arc::ptr_eq(there, instance)) {
            instances.remove(instance.id());
            drop(instances);
            self.backlog.made_room();
        }
    }

    /// Notes that an instance rests and could give way to others.
    pub(crate) fn idle(&self, instance: &Arc<Instance>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() > 2 * self.max_loaded {
            idle.retain(|instance| instance.strong_count() > 0);
        }
        idle.push_back(Arc::downgrade(instance));
        drop(idle);
        self.backlog.made_room();
    }

    /// How many instances are in memory.
    pub(crate) fn loaded(&self) -> usize {
        self.instances().len()
    }

    /// Evicts the longest idle instances while too many are loaded.
    pub(crate) fn trim(self: &Arc<Self>) {
        while self.instances().len() > self.max_loaded {
            let Some(longest) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
            if let Some(longest) = longest.upgrade() {
                longest.evict(self);
            }
        }
    }

    /// Wakes what is due.
    fn ring(self: &Arc<Self>, ring: clock::Ring) {
        for id in ring.instances {
            let instance = self.instances().get(&id).cloned();
            if let Some(instance) = instance {
                instance.rung(self);
            }
        }
        if ring.stored {
            self.backlog.add_due();
        }
    }
}

async fn keep_time(worker: Weak<Worker>, clock: Arc<Clock>) {
    while let Some(ring) = clock.ring().await
        && let Some(worker) = worker.upgrade()
    {
        worker.ring(ring);
    }
}

/// Runs a question to the store, in a task of its own where a codec or a store of the user's takes part. The task ends with its caller.
async fn aside<T: Send + 'static>(
    executor: &Handle,
    store: &Kept,
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

pub(crate) fn not_found(id: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::NotFound, format!("there is no orchestration with the id `{id}`"))
}
