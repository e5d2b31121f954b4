//! The runtime: a worker, and the client that speaks to it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::activity::States;
use crate::client::Client;
use crate::entity::Entity;
use crate::kernel::entity::EntityRegistration;
use crate::kernel::error::RuntimeError;
use crate::kernel::registration::Registration;
use crate::orchestration::callable::Callable;
use crate::registry::Registry;
use crate::store::payload_store::PayloadStore;
use crate::store::{self, Payloads, Store, UrlSettings};
#[cfg(feature = "testing")]
use crate::time::Time;
use crate::time::Wall;
#[cfg(feature = "testing")]
use crate::worker::activities::pool::Perform;
use crate::worker::{Retention, Settings, Worker};

/// Runs orchestrations and activities on a store, and takes up what an earlier process left unfinished.
///
/// It is a [`Client`], too. It runs on the tokio runtime it was opened on.
///
/// A panic of an orchestrator, an activity, an operation of an entity, a codec or a store of your own fails that call, that run or that
/// request, and nothing else. A panic in a `Drop` is logged where there is nothing it could fail. Only a panic in a `Drop` while another
/// panic unwinds cannot be caught: Rust aborts the process then. A `Drop` that may panic should check `std::thread::panicking()` first.
///
/// ```standalone_crate
/// use dacapo::{Runtime, activity, orchestrator};
///
/// #[activity]
/// async fn greet(name: String) -> String { format!("Hello, {name}!") }
///
/// #[orchestrator]
/// async fn hello(name: String) -> String { greet(name).await }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> dacapo::Result<()> {
/// let runtime = Runtime::open("memory:").await?;
/// let run = runtime.start(hello("Ada".into())).id("greet-ada").await?;
/// assert_eq!(run.result().await?, "Hello, Ada!");
/// runtime.shutdown().await?;
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    client: Client,
    worker: Arc<Worker>,
    grace: Duration,
}

impl Runtime {
    /// Opens a store and runs everything annotated in this binary on it: `sqlite:PATH` for a file, `memory:` for tests.
    ///
    /// # Errors
    /// [`Locked`](crate::ErrorKind::Locked) when another process works on the store; [`Invalid`](crate::ErrorKind::Invalid) for
    /// an invalid URL or two functions with the same name; [`Incompatible`](crate::ErrorKind::Incompatible) for a database of another
    /// program or a newer version; [`Store`](crate::ErrorKind::Store) when it cannot be opened.
    ///
    /// # Cancel safety
    /// This method is cancel safe: when its future is dropped before it completes, the store is closed again.
    pub async fn open(url: &str) -> Result<Self, RuntimeError> {
        Self::builder(url).open().await
    }

    /// The settings of a runtime on the store of a URL.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(Source::Url(url.into()))
    }

    /// The settings of a runtime on a store of your own, or a [`MemoryStore`](crate::store::MemoryStore) that several of a process share. The
    /// trait may change in any 0.x release.
    pub fn with_store(store: impl Store) -> Builder {
        Builder::new(Source::Store(Arc::new(store)))
    }

    /// A client of this runtime that can be cloned and handed on.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What runs turns and activities.
    #[cfg(test)]
    pub(crate) fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// How many orchestrations are in memory, loaded or being loaded; all others are in the store only.
    ///
    /// See [`Builder::max_loaded_instances`].
    #[must_use]
    pub fn loaded_instances(&self) -> usize {
        self.worker.loaded()
    }

    /// Stops: no activity is started any more, those that run get the grace period to end and be recorded, the rest is left
    /// for the next runtime on the store. The number of activities that were cut off is logged; it is not an error, because they run again.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store) when something could not be written: the database was removed or replaced, or the disk refused
    /// the last turns.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the runtime stops without waiting, as when it is
    /// dropped.
    pub async fn shutdown(self) -> Result<(), RuntimeError> {
        self.worker.shut_down(self.grace).await
    }
}

impl Deref for Runtime {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Without [`shutdown`](Runtime::shutdown) everything under way is left for recovery at once.
impl Drop for Runtime {
    fn drop(&mut self) {
        self.worker.stop();
        let worker = self.worker.clone();
        self.worker.spawn(async move { drop(worker.store().close().await) });
    }
}

/// The settings of a [`Runtime`].
#[must_use = "settings do nothing until `.open()` is awaited"]
pub struct Builder {
    source: Source,
    registrations: Vec<Registration>,
    entities: Vec<EntityRegistration>,
    automatic: bool,
    states: States,
    settings: Settings,
    grace: Duration,
    standby: bool,
    url_settings: UrlSettings,
    payloads: Payloads,
}

enum Source {
    Url(String),
    Store(Arc<dyn Store>),
}

impl Builder {
    fn new(source: Source) -> Self {
        Self {
            source,
            registrations: Vec::new(),
            entities: Vec::new(),
            automatic: true,
            states: States::default(),
            settings: Settings {
                max_concurrent_activities: 1_000,
                max_concurrent_orchestrators: None,
                max_loaded_instances: 10_000,
                verify: cfg!(debug_assertions),
                retention: None,
                cancel_grace: Duration::from_secs(10),
                max_process_deaths: 5,
                time: Arc::new(Wall::new()),
                perform: Arc::new(|activity, input| activity.run(input)),
                may_block: true,
            },
            grace: Duration::from_secs(10),
            standby: false,
            url_settings: UrlSettings::default(),
            payloads: Payloads::default(),
        }
    }

    /// Gives activities a value, found by its type: [`dacapo::state::<T>()`](crate::state).
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.insert(value);
        self
    }

    /// Registers a function by hand. Needed only after [`only_registered`](Self::only_registered).
    pub fn register<A>(mut self, function: impl Callable<A>) -> Self {
        self.registrations.push(function.registration());
        self
    }

    /// Registers an entity type by hand. Needed only after [`only_registered`](Self::only_registered).
    pub fn register_entity<E: Entity>(mut self) -> Self {
        self.entities.push(EntityRegistration::of::<E>());
        self
    }

    /// Runs only what [`register`](Self::register) and [`register_entity`](Self::register_entity) named, not every annotated function of the binary.
    pub fn only_registered(mut self) -> Self {
        self.automatic = false;
        self
    }

    /// How many activities run at once. Default: 1,000.
    pub fn max_concurrent_activities(mut self, limit: usize) -> Self {
        self.settings.max_concurrent_activities = limit;
        self
    }

    /// How many orchestrations work at once. Default: unlimited; 0 counts as 1.
    ///
    /// An orchestration counts while its code runs, and while one of its activities runs or waits to run. One that waits only for
    /// timers, a retry, events, locks or sub-orchestrations does not count, so a parent and its child can run with a limit of 1. Others
    /// wait in line, first come, first served, and keep their status meanwhile. A message for an orchestration in line is stored
    /// and acknowledged at once, and a suspension or termination takes effect at once.
    ///
    /// An activity that itself waits for another orchestration keeps the place of its own orchestration: at a limit of 1 it waits forever.
    ///
    /// ```standalone_crate
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::builder("memory:").max_concurrent_orchestrators(10).max_concurrent_activities(100).open().await?;
    /// # runtime.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_concurrent_orchestrators(mut self, limit: usize) -> Self {
        self.settings.max_concurrent_orchestrators = Some(limit);
        self
    }

    /// How many times the process may die while one call of an activity runs, before the run that made the call is parked with a report.
    /// Resuming it tries the call again. Default: 5; 0 means any number of times.
    ///
    /// After a death, the activities that were running run again one at a time, so that deaths are counted only for the one that causes
    /// them; all others run as usual. This needs a store with a journal, such as SQLite.
    pub fn max_process_deaths(mut self, deaths: u32) -> Self {
        self.settings.max_process_deaths = deaths;
        self
    }

    /// How many instances are kept in memory. Beyond that, those that wait for a timer, an event or another orchestration are put
    /// away to their history and come back on their next event; when most are at work, what is started waits in the store until
    /// others have ended. Default: 10,000; 0 counts as 1.
    pub fn max_loaded_instances(mut self, limit: usize) -> Self {
        self.settings.max_loaded_instances = limit.max(1);
        self
    }

    /// Whether every turn is replayed on the side and compared. What no rule of the compiler can see, such as a clock behind a
    /// trait object, is then found in the first run: the instance is parked with a report that shows both calls. It costs a second
    /// run of the orchestrator's code. Default: in debug builds.
    pub fn verify(mut self, verify: bool) -> Self {
        self.settings.verify = verify;
        self
    }

    /// How long running activities may go on after [`shutdown`](Runtime::shutdown). Default: ten seconds.
    pub fn grace_period(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long an activity may go on that was cancelled and has asked for
    /// [`activity::cancelled`](crate::activity::cancelled), to clean up. Default: ten seconds.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.settings.cancel_grace = grace;
        self
    }

    /// Purges what ended long enough ago, by itself. Default: everything is kept.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.settings.retention = Some(retention);
        self
    }

    /// Whether to wait while another process works on the store, and take over when it ends. Default: fail at once.
    pub fn standby(mut self, standby: bool) -> Self {
        self.standby = standby;
        self
    }

    /// How inputs, results and other values are kept. Default: those above 64 KiB out of line, none above 64 MiB, no codec.
    pub fn payloads(mut self, payloads: Payloads) -> Self {
        self.payloads = payloads;
        self
    }

    /// How hard commits are pushed to the disk. Default: [`Full`](crate::store::Synchronous::Full).
    #[cfg(feature = "sqlite")]
    pub fn synchronous(mut self, synchronous: crate::store::Synchronous) -> Self {
        self.url_settings.synchronous = Some(synchronous);
        self
    }

    /// How many connections read from an SQLite database at once; further reads wait for their turn. Each takes two file descriptors.
    /// Default: 4; at most 64. In a URL: `sqlite:orders.db?readers=8`.
    #[cfg(feature = "sqlite")]
    pub fn readers(mut self, readers: usize) -> Self {
        self.url_settings.readers = Some(readers);
        self
    }

    /// Runs in the time, and with the activities, of a test.
    #[cfg(feature = "testing")]
    pub(crate) fn simulated(mut self, time: Arc<dyn Time>, perform: Perform, states: States) -> Self {
        self.settings.time = time;
        self.settings.perform = perform;
        self.settings.may_block = false;
        self.states = states;
        self
    }

    /// Opens the store and starts to work on it.
    ///
    /// # Errors
    /// As [`Runtime::open`].
    ///
    /// # Cancel safety
    /// This method is cancel safe: when its future is dropped before it completes, the store is closed again.
    pub async fn open(self) -> Result<Runtime, RuntimeError> {
        #[cfg(feature = "schedules")]
        let registrations = [self.registrations, crate::schedule::registrations()].concat();
        #[cfg(not(feature = "schedules"))]
        let registrations = self.registrations;
        let registry = Registry::collect(self.automatic, &registrations, &self.entities)?;
        registry.check_limits()?;
        let store = match self.source {
            Source::Url(url) => PayloadStore::new(store::open(&url, self.url_settings).await?, self.payloads),
            Source::Store(store) => PayloadStore::of_a_user(store, self.payloads),
        };
        #[cfg(feature = "schedules")]
        let (here, states) = {
            let (here, mut states) = (crate::schedule::keeper::Here::default(), self.states);
            states.insert(here.clone());
            (here, states)
        };
        #[cfg(not(feature = "schedules"))]
        let states = self.states;
        let worker = Worker::start(store, self.standby, registry, states, self.settings).await?;
        #[cfg(feature = "schedules")]
        here.set(&worker);
        Ok(Runtime { client: Client::of(worker.clone()), worker, grace: self.grace })
    }
}
