//! Starting, signalling and asking: the door for everybody outside an orchestration.

mod entities;
mod entity;
mod handle;
mod named;
mod purge;
pub(crate) mod query;
pub(crate) mod remote;
mod resume;
mod rewind;
mod start;
mod status;
mod watch;

use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;

use crate::client::remote::Remote;
use crate::kernel::bounds::check_reason;
use crate::kernel::engine::event::{Event as HistoryEvent, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::function::{Function, Recorded, Storable};
use crate::kernel::instance_id;
use crate::kernel::machine::request::StartRequest;
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;
use crate::orchestration::callable::Callable;
use crate::orchestration::child::Orchestration;
use crate::orchestration::event::Event;
use crate::store::payload_store::PayloadStore;
use crate::store::{self, Applied, Batch, Census, Lookup, Payloads, Refused, Status, Store, StoreResult};
use crate::time::Wall;
use crate::worker::run::Run;
pub use entities::{EntityPage, EntityQuery, EntityStatus};
pub use handle::Handle;
pub use purge::Purge;
pub use query::{Counts, Page, Query};
pub use resume::Resume;
pub use start::{Named, Restart, ReuseId, Start};
pub use status::{InstanceStatus, StatusRequest};
pub use watch::Watch;

use crate::kernel::machine::answers::{not_found, shutting_down, wrong_state};
use crate::worker::entities::is_entity;
use crate::worker::{Worker, outcome_of};

/// Starts, signals and queries orchestrations.
///
/// [`Runtime::client`](crate::Runtime::client) gives one that speaks to the worker of this process; [`Client::connect`] one for
/// a process that runs nothing itself and leaves the work to the worker of another process, now or later.
#[derive(Clone)]
pub struct Client {
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Worker(Arc<Worker>),
    Store(Arc<Remote>),
}

impl Client {
    pub(crate) fn of(worker: Arc<Worker>) -> Self {
        Self { backend: Backend::Worker(worker) }
    }

    /// Connects to a store without working on it. What is started here runs as soon as a worker has the store open.
    ///
    /// # Errors
    /// When the URL is invalid or the store cannot be opened.
    ///
    /// ```no_run
    /// # async fn example() -> dacapo::Result<()> {
    /// let client = dacapo::Client::connect("sqlite:orders.db").await?;
    /// println!("{}", client.status("order-42").await?.runtime_status());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// This method is cancel safe: when its future is dropped, nothing stays open.
    pub async fn connect(url: &str) -> Result<Self, RuntimeError> {
        Self::connect_store(store::open(url, Default::default()).await?)
    }

    /// Connects to a store of your own, as [`connect`](Self::connect) does. The trait may change in any 0.x release.
    ///
    /// # Errors
    /// When the store cannot report changes.
    pub fn connect_store(store: Arc<dyn Store>) -> Result<Self, RuntimeError> {
        Ok(Self { backend: Backend::Store(Arc::new(Remote::new(store, Arc::new(Wall::new()))?)) })
    }

    /// Sets how a [connected](Self::connect) client writes and reads values. The client of a [`Runtime`](crate::Runtime) uses
    /// [that runtime's setting](crate::Builder::payloads), and this changes nothing.
    pub fn payloads(self, payloads: Payloads) -> Self {
        match &self.backend {
            Backend::Worker(_) => self,
            Backend::Store(remote) => Self { backend: Backend::Store(Arc::new(remote.with(payloads))) },
        }
    }

    /// Requests a run of an orchestrator. Awaiting the request starts it; [`Start::id`] sets its id.
    ///
    /// Once the request has completed, the orchestration is durable: no crash loses it.
    pub fn start<F: Function>(&self, call: Orchestration<F>) -> Start<F> {
        let (input, id) = call.into_request();
        Start::new(self.clone(), F::NAME.to_owned(), F::VERSION, input, id)
    }

    /// The handle of an orchestration that was started before. Whether it exists is checked when the handle is first used.
    ///
    /// ```no_run
    /// # #[dacapo::orchestrator]
    /// # async fn checkout(order: String) -> dacapo::Result<u64> { Ok(1) }
    /// # async fn example(client: dacapo::Client) -> dacapo::Result<()> {
    /// let receipt: u64 = client.attach(checkout, "order-42").result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn attach<F, A>(&self, _orchestrator: impl Callable<A, Call = Orchestration<F>>, id: impl Into<String>) -> Handle<F>
    where
        F: Function,
    {
        Handle::new(self.clone(), Run::any(id))
    }

    /// Raises an external event. When this returns, the event is durable; it is kept until the orchestration waits for it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the worker of this process knows that the orchestration expects another type; if it does not know, the
    /// wait that takes the event parks the orchestration. [`ErrorKind::NotFound`], [`ErrorKind::Finished`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the event may have been raised or not, but never in
    /// part.
    pub async fn raise<T: Storable>(&self, id: &str, event: Event<T>, value: T) -> Result<(), RuntimeError> {
        self.raise_named(id, event.name(), value).await
    }

    /// Ends an orchestration from outside, and the sub-orchestrations it waits for.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Finished`], or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the orchestration may be terminated or not, but
    /// never in part.
    pub async fn terminate(&self, id: &str, reason: &str) -> Result<(), RuntimeError> {
        check_reason(reason)?;
        self.send(id, HistoryEvent::ExecutionTerminated { reason: reason.to_owned() }).await
    }

    /// Suspends an unfinished orchestration until [`resume`](Self::resume): running activities continue and their results are kept,
    /// nothing is started, events wait, and timers that become due fire after the resumption. Sub-orchestrations are not suspended.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is suspended already; [`ErrorKind::NotFound`], [`ErrorKind::Finished`], or an error from the store.
    ///
    /// ```standalone_crate
    /// const APPROVAL: dacapo::Event<bool> = dacapo::Event::new("approval");
    ///
    /// #[dacapo::orchestrator]
    /// async fn release() -> bool { APPROVAL.wait().await }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let run = runtime.start(release()).id("v2").await?;
    /// runtime.suspend("v2", "incident").await?;
    /// run.raise(APPROVAL, true).await?;
    /// assert_eq!(run.status().await?.runtime_status(), dacapo::Status::Suspended);
    /// runtime.resume("v2", "incident closed").await?;
    /// assert!(run.result().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the orchestration may be suspended or not, but never
    /// in part.
    pub async fn suspend(&self, id: &str, reason: &str) -> Result<(), RuntimeError> {
        check_reason(reason)?;
        self.send(id, HistoryEvent::ExecutionSuspended { reason: reason.to_owned() }).await
    }

    /// Counts the orchestrations that have not ended, by orchestrator, version and shape of the code that started them. Old code can be
    /// removed when no orchestration needs it.
    ///
    /// It reads the start of every orchestration that has not ended.
    ///
    /// # Errors
    /// Errors from the store.
    ///
    /// ```standalone_crate
    /// # #[dacapo::orchestrator(version = 3)]
    /// # async fn checkout() { dacapo::sleep(std::time::Duration::MAX).await }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// runtime.start(checkout()).await?;
    /// for unfinished in runtime.census().await? {
    ///     assert_eq!((unfinished.name.as_str(), unfinished.version, unfinished.instances), ("checkout", 3, 1));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn census(&self) -> Result<Vec<Census>, RuntimeError> {
        self.ask(async move |store| store.census().await).await
    }

    /// The history of an orchestration: its turns, oldest first. Values that cannot be decoded because their
    /// [codec](crate::Payloads::codec) is missing stay encoded.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Unreadable`] when a turn is damaged or of a newer build, or a large value is missing; or an error from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn history(&self, id: &str) -> Result<Vec<Turn>, RuntimeError> {
        let which = Lookup::Id(id.to_owned());
        let found = self.ask(async move |store| store.load_to_show(which).await).await?;
        let stored = found.ok_or_else(|| not_found(id))?;
        stored.unreadable.map_or(Ok(stored.history), Err)
    }

    /// The time by which a worker of this process starts and ends things.
    pub(crate) fn now(&self) -> Timestamp {
        self.time().now()
    }

    async fn find(&self, id: &str) -> StoreResult<store::Instance> {
        self.find_any(id).await?.ok_or_else(|| not_found(id))
    }

    pub(crate) async fn find_any(&self, id: &str) -> StoreResult<Option<store::Instance>> {
        let which = Lookup::Id(id.to_owned());
        self.ask(async move |store| store.find(which).await).await
    }

    async fn find_run(&self, run: &Run) -> StoreResult<store::Instance> {
        let run = run.clone();
        self.ask(async move |store| run.find(&store).await).await
    }

    /// Asks the store. Nothing else here may, because user code, as in a codec, must not run in the task of a caller where there is a worker.
    async fn ask<T, F>(&self, ask: impl FnOnce(PayloadStore) -> F) -> StoreResult<T>
    where
        F: Future<Output = StoreResult<T>> + Send + 'static,
        T: Send + 'static,
    {
        let asked = ask(self.store().clone());
        // A store in memory answers at once, and a caller that asks in a loop must let others run.
        tokio::task::consume_budget().await;
        match &self.backend {
            Backend::Worker(worker) => worker.aside(asked).await,
            Backend::Store(_) => asked.await,
        }
    }

    fn store(&self) -> &PayloadStore {
        match &self.backend {
            Backend::Worker(worker) => worker.store(),
            Backend::Store(remote) => &remote.store,
        }
    }

    async fn create(&self, request: StartRequest) -> StoreResult<Run> {
        self.check_length(format_args!("the input of `{}`", request.name), &request.input)?;
        let id = request.id.clone();
        let key = match &self.backend {
            Backend::Worker(worker) => {
                let asked = worker.clone();
                Some(worker.aside(async move { asked.create(request).await }).await?)
            }
            Backend::Store(_) => self.apply(request.into_batch(0, self.now())).await?.created,
        };
        Ok(Run { id, key })
    }

    /// Applies a batch as whoever this client is.
    async fn apply(&self, batch: Batch) -> StoreResult<Applied> {
        self.apply_then(batch, || {}).await
    }

    /// The same; when it is durable, `then` is called by whoever answers for the store, even if the caller is gone by then.
    async fn apply_then(&self, mut batch: Batch, then: impl FnOnce() + Send + 'static) -> StoreResult<Applied> {
        if let Backend::Worker(worker) = &self.backend {
            batch.epoch = Some(worker.epoch());
        }
        let apply = async move |store: PayloadStore| {
            let (sender, answer) = tokio::sync::oneshot::channel();
            let reply = move |result: Result<Applied, Box<Refused>>| {
                if result.is_ok() {
                    then();
                }
                drop(sender.send(result.map_err(|refused| refused.error)));
            };
            store.apply(batch, Box::new(reply));
            answer.await.unwrap_or_else(|_| Err(shutting_down()))
        };
        self.ask(apply).await
    }

    fn check_length(&self, what: fmt::Arguments<'_>, payload: &Payload) -> StoreResult<()> {
        if payload.is_sealed() {
            let message = format!("{what} is an envelope of a store, not a value; give the value itself");
            return Err(RuntimeError::new(ErrorKind::Invalid, message));
        }
        let excess = self.store().payloads().excess(what, payload);
        excess.map_or(Ok(()), |excess| Err(RuntimeError::new(ErrorKind::Invalid, excess)))
    }

    async fn send(&self, id: &str, event: HistoryEvent) -> StoreResult<()> {
        if instance_id::is_entity(id) {
            return Err(is_entity(id));
        }
        if let HistoryEvent::EventRaised { name, input } = &event {
            self.check_length(format_args!("the value of event `{name}`"), input)?;
        }
        match &self.backend {
            Backend::Worker(worker) => worker.send(id, event).await,
            Backend::Store(_) => {
                let instance = self.find(id).await?;
                if instance.state.status.is_terminal() {
                    let status = instance.state.status.as_str().to_lowercase();
                    let message = format!("the orchestration `{id}` has {status} already");
                    return Err(RuntimeError::new(ErrorKind::Finished, message));
                }
                let is_suspended = instance.state.status == Status::Suspended;
                match event {
                    HistoryEvent::ExecutionSuspended { .. } if is_suspended => {
                        return Err(wrong_state("suspend", id, "it is already suspended"));
                    }
                    HistoryEvent::ExecutionResumed { .. } if !is_suspended => {
                        return Err(wrong_state("resume", id, "it is not suspended"));
                    }
                    _ => {}
                }
                let posted = self.apply(Batch { post: vec![(instance.key, event)], ..Batch::default() }).await;
                // It was purged since it was found.
                posted.map(drop).map_err(|error| if error.is_not_found() { not_found(id) } else { error })
            }
        }
    }

    pub(crate) async fn outcome(&self, run: &Run) -> StoreResult<Recorded> {
        match &self.backend {
            Backend::Worker(worker) => {
                let (asked, run) = (worker.clone(), run.clone());
                worker.aside(async move { asked.wait(&run).await }).await
            }
            Backend::Store(remote) => remote.look_until(|| outcome_of(&remote.store, run).boxed()).await,
        }
    }

    async fn wait_started(&self, id: &str) -> StoreResult<()> {
        let has_started = || {
            let look = async move { Ok((self.find(id).await?.state.status != Status::Pending).then_some(())) };
            look.boxed()
        };
        match &self.backend {
            Backend::Worker(worker) => worker.wait_started(id, has_started()).await,
            Backend::Store(remote) => remote.look_until(has_started).await,
        }
    }
}
