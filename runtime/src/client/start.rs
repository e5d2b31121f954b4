//! Requests to start an orchestration, for the first time or again.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::rewind::after_its_end;
use crate::client::{Client, Handle};
use crate::kernel::bounds::check_tags;
use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::Failure;
use crate::kernel::function::Function;
use crate::kernel::machine::answers::not_found;
use crate::kernel::machine::request::StartRequest;
use crate::kernel::payload::Payload;
use crate::kernel::trace::TraceContext;
use crate::store::{End, Instance, InstanceKey, Lookup, Status, StoreResult, Timestamp, already_exists};
use crate::worker::run::Run;

/// What a start does when its instance id exists already. The names follow Temporal and Durable Task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReuseId {
    /// Refuse the start with [`ErrorKind::AlreadyExists`].
    #[default]
    Refuse,
    /// Return the existing one, finished or not, and start nothing. A program that may have been killed uses it to start its work or
    /// continue it.
    UseExisting,
    /// Purge the existing one and its sub-orchestrations if it has finished; otherwise refuse. A sub-orchestration cannot be replaced
    /// before its caller has finished, too.
    ReplaceTerminal,
    /// Like [`ReplaceTerminal`](Self::ReplaceTerminal), but terminate the existing one first if it has not finished.
    ReplaceAny,
}

/// How often a start tries anew to replace a run that goes on meanwhile.
const REPLACED_AT_MOST: u32 = 100;

/// Why a run ends in whose place another is started.
const REPLACED: &str = "it is replaced by a new start";

/// A request to start an orchestration, from [`Client::start`].
///
/// # Cancel safety
/// Awaiting it is not cancel safe: when the future is dropped before it completes, the orchestration may have been started or not. With
/// [`ReuseId::UseExisting`] and an [id](Self::id) the same request finds it. With [`ReuseId::ReplaceAny`] the earlier run may have been
/// terminated with nothing in its place.
#[must_use = "nothing is started until the request is awaited"]
pub struct Start<F> {
    client: Client,
    name: String,
    version: u32,
    input: Result<Payload, Failure>,
    id: Option<String>,
    reuse: ReuseId,
    at: Option<Timestamp>,
    tags: BTreeMap<String, String>,
    trace: Option<Box<TraceContext>>,
    function: PhantomData<fn() -> F>,
}

impl<F> Start<F> {
    pub(super) fn new(client: Client, name: String, version: u32, input: Result<Payload, Failure>, id: Option<String>) -> Self {
        let (reuse, at, tags) = (ReuseId::Refuse, None, BTreeMap::new());
        Self { client, name, version, input, id, reuse, at, tags, trace: None, function: PhantomData }
    }

    /// Sets the instance id. The default is a UUID of version 7 as 32 hexadecimal digits, so later ids sort after earlier ones.
    ///
    /// An id has at most 256 characters, does not start with `@`, contains none of `/`, `\`, `#`, `?` and control characters, as in Durable
    /// Functions, and is neither `.` nor `..`, so that it fits into a URL.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What to do when the id exists already. Default: [`ReuseId::Refuse`].
    ///
    /// ```standalone_crate
    /// use dacapo::{ReuseId, Runtime, orchestrator};
    ///
    /// #[orchestrator]
    /// async fn nightly(n: u32) -> u32 { n }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = Runtime::open("memory:").await?;
    /// // However often this program is killed and started again, the work is done once.
    /// let run = runtime.start(nightly(1)).id("2026-11-21").reuse_id(ReuseId::UseExisting).await?;
    /// assert_eq!(run.result().await?, 1);
    /// let same = runtime.start(nightly(2)).id("2026-11-21").reuse_id(ReuseId::UseExisting).await?;
    /// assert_eq!(same.result().await?, 1);
    /// let again = runtime.start(nightly(3)).id("2026-11-21").reuse_id(ReuseId::ReplaceTerminal).await?;
    /// assert_eq!(again.result().await?, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reuse_id(mut self, reuse: ReuseId) -> Self {
        self.reuse = reuse;
        self
    }

    /// Starts it at this time, or at once if that has passed. It is durable immediately and [`Pending`](crate::Status::Pending) until then.
    /// If no worker runs at that time, the next one starts it; the orchestrator sees the requested time.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time.into());
        self
    }

    /// Starts it after this delay, like [`at`](Self::at).
    pub fn after(mut self, delay: Duration) -> Self {
        self.at = Some(self.client.now().after(delay));
        self
    }

    /// Adds a tag, by which [`Query::tag`](crate::Query::tag) finds it. Each name has one value.
    ///
    /// A run has at most 64 tags. A name has 1 to 128 bytes, a value at most 1,024 bytes, and neither contains control characters.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Sets the trace it is part of, for distributed tracing. It is recorded, passed on to sub-orchestrations, and available to activities
    /// through [`trace_context`](crate::activity::trace_context).
    pub fn trace_context(mut self, context: TraceContext) -> Self {
        self.trace = Some(Box::new(context));
        self
    }
}

impl<F: Function> IntoFuture for Start<F> {
    type Output = Result<Handle<F>, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let client = self.client.clone();
            Ok(Handle::new(client, self.make().await?))
        }
        .boxed()
    }
}

/// In place of an orchestrator that is known by its name alone, from [`Client::start_named`].
#[derive(Debug)]
pub enum Named {}

impl Start<Named> {
    /// Sets the version that must be the newest one; otherwise the start is refused. Without it, the newest version is started.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }
}

impl IntoFuture for Start<Named> {
    type Output = Result<Handle<Named>, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        async move {
            let client = self.client.clone();
            (self.name, self.version) = self.client.orchestrator_named(&self.name, self.version).await?;
            Ok(Handle::new(client, self.make().await?))
        }
        .boxed()
    }
}

impl<F> Start<F> {
    async fn make(self) -> StoreResult<Run> {
        let Self { client, name, version, input, id, reuse, at, tags, trace, .. } = self;
        let input = input.map_err(|failure| RuntimeError::new(ErrorKind::Invalid, failure.to_string()))?;
        let id = id.unwrap_or_else(new_id);
        check_id(&id)?;
        check_tags(&tags)?;
        let request = StartRequest { id, name, version, input, at, tags, trace, replaces: Vec::new() };
        client.create_or(request, reuse).await
    }
}

impl Client {
    /// Starts an orchestration again with the input and the tags of an earlier one, either in place of that one, which must have finished,
    /// or under [another id](Restart::id). Awaiting the request starts it and returns its id.
    ///
    /// ```standalone_crate
    /// #[dacapo::orchestrator]
    /// async fn double(n: u32) -> u32 { 2 * n }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// runtime.start(double(4)).id("one").await?.result().await?;
    /// runtime.restart("one").id("two").await?;
    /// assert_eq!(runtime.attach(double, "two").result().await?, 8);
    /// # Ok(())
    /// # }
    /// ```
    pub fn restart(&self, id: impl Into<String>) -> Restart {
        Restart { client: self.clone(), id: id.into(), new: None }
    }

    pub(crate) async fn create_or(&self, mut request: StartRequest, reuse: ReuseId) -> StoreResult<Run> {
        let mut found = match reuse {
            ReuseId::Refuse => return self.create(request).await,
            ReuseId::UseExisting => None,
            ReuseId::ReplaceTerminal | ReuseId::ReplaceAny => self.find_any(&request.id).await?,
        };
        let mut tries = 0;
        loop {
            request.replaces = match found {
                Some(found) if reuse == ReuseId::UseExisting && found.name == request.name => return Ok(Run::of(&found)),
                Some(found) if reuse == ReuseId::UseExisting => {
                    let message = format!(
                        "the orchestration `{}` exists already, and is a run of `{}`, not of `{}`; give another `.id(..)`",
                        found.id, found.name, request.name
                    );
                    return Err(RuntimeError::new(ErrorKind::AlreadyExists, message));
                }
                Some(found) if reuse == ReuseId::ReplaceTerminal && !found.state.status.is_terminal() => {
                    return Err(already_exists(&found.id));
                }
                Some(found) => {
                    self.check_caller(&found).await?;
                    self.end_family(found, tries > 0).await?
                }
                None => Vec::new(),
            };
            match self.create(request.clone()).await {
                // Somebody else was faster: that one is looked at.
                Err(error) if error.is_already_exists() => {}
                // One that had ended has been rewound meanwhile.
                Err(error) if error.kind() == ErrorKind::Unfinished && tries < REPLACED_AT_MOST => tries += 1,
                created => return created,
            }
            found = self.find_any(&request.id).await?;
        }
    }

    /// A sub-orchestration is its caller's until that has ended.
    async fn check_caller(&self, called: &Instance) -> StoreResult<()> {
        let Some(parent) = &called.parent else { return Ok(()) };
        let caller = self.find_any(&parent.instance).await?;
        if caller.is_none_or(|caller| caller.state.status.is_terminal()) {
            return Ok(());
        }
        let message = format!(
            "the orchestration `{}` was called by `{}`, which has not ended, so nothing takes its place; give another `.id(..)`",
            called.id, parent.instance
        );
        Err(RuntimeError::new(ErrorKind::AlreadyExists, message))
    }

    /// Ends a run and its sub-orchestrations, and gives all of them. When they are `contested`, none can be rewound afterwards.
    async fn end_family(&self, root: Instance, contested: bool) -> StoreResult<Vec<InstanceKey>> {
        let mut family = self.descendants(&root.id).await?;
        family.insert(0, root);
        for instance in &family {
            if !instance.state.status.is_terminal() {
                self.end(instance, REPLACED).await?;
            }
            if contested {
                self.end_for_good(instance.key).await?;
            }
        }
        Ok(family.iter().map(|instance| instance.key).collect())
    }

    /// Terminates a run that has failed, so that nobody can rewind it. Whoever writes the next turn of its history wins.
    async fn end_for_good(&self, key: InstanceKey) -> StoreResult<()> {
        let stored = self.ask(async move |store| store.load(Lookup::Key(key)).await).await?;
        let Some(failed) = stored.filter(|stored| stored.instance.state.status == Status::Failed) else { return Ok(()) };
        let ended = Event::ExecutionTerminated { reason: REPLACED.to_owned() };
        let batch = after_its_end(&failed, ended, Status::Terminated, self.now());
        match self.apply(batch).await {
            // It was rewound first, or the store cannot add to what has ended.
            Err(error) if [ErrorKind::Invalid, ErrorKind::Unsupported].contains(&error.kind()) => Ok(()),
            applied => applied.map(drop),
        }
    }

    /// Terminates a run and waits for its end, however it comes.
    pub(crate) async fn end(&self, living: &Instance, reason: &str) -> StoreResult<()> {
        match self.terminate(&living.id, reason).await {
            // It has ended, and may even have been purged.
            Err(error) if ![ErrorKind::Finished, ErrorKind::NotFound].contains(&error.kind()) => return Err(error),
            _ => {}
        }
        match self.outcome(&Run::of(living)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

/// A request to start an orchestration again, from [`Client::restart`].
///
/// # Errors
/// [`ErrorKind::NotFound`]; [`ErrorKind::AlreadyExists`] when the earlier one has not finished or the new id is taken.
///
/// # Cancel safety
/// Awaiting it is not cancel safe: when the future is dropped before it completes, the orchestration may have been started or not.
#[must_use = "nothing is started until the request is awaited"]
pub struct Restart {
    client: Client,
    id: String,
    new: Option<String>,
}

impl Restart {
    /// Starts it under this id and keeps the earlier one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.new = Some(id.into());
        self
    }

    /// Starts it under a generated id and keeps the earlier one.
    pub fn new_id(self) -> Self {
        self.id(new_id())
    }
}

impl IntoFuture for Restart {
    type Output = Result<String, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { Ok(self.make().await?.id) }.boxed()
    }
}

impl Restart {
    pub(crate) async fn make(self) -> StoreResult<Run> {
        let earlier = self.client.find(&self.id).await?;
        let first = self.client.ask(async move |store| store.turn(earlier.key, End::First).await).await?;
        let started = first.into_iter().flat_map(|turn| turn.events).find_map(|event| match event {
            Event::ExecutionStarted { input, version, .. } => Some((input, version)),
            _ => None,
        });
        // Without its first turn it was purged since it was found.
        let (input, version) = started.ok_or_else(|| not_found(&self.id))?;
        let reuse = if self.new.is_some() { ReuseId::Refuse } else { ReuseId::ReplaceTerminal };
        let id = self.new.unwrap_or(self.id);
        check_id(&id)?;
        let request = StartRequest {
            id,
            name: earlier.name,
            version,
            input,
            at: None,
            tags: earlier.tags,
            trace: None,
            replaces: Vec::new(),
        };
        self.client.create_or(request, reuse).await
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn check_id(id: &str) -> StoreResult<()> {
    crate::kernel::instance_id::check(id).map_err(|failure| RuntimeError::new(ErrorKind::Invalid, failure.to_string()))
}
