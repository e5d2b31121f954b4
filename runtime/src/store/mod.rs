//! Where histories are kept: one trait, one write verb.
//!
//! What every store promises:
//!
//! 1. A [`Batch`] is one transaction: all of it, or nothing of it.
//! 2. The answer to [`Store::apply`] comes after the batch is durable, never before.
//! 3. A batch of a worker carries the epoch of its claim; a batch with an older epoch is refused.
//! 4. A history is append-only and dense; a failed batch leaves the state before it.
//!
//! Invariant: a store knows nothing of turns, wakers or tokio tasks; it never calls up but to answer.

pub(crate) mod guarded;
pub(crate) mod kept;
mod memory;
mod payloads;
mod query;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;

pub use crate::engine::event::{CallId, Continued, Event, NotTaken, Parent, Raised, Turn};
pub use crate::time::Timestamp;
pub use memory::MemoryStore;
pub use payloads::{Codec, Payloads};
pub use query::{After, Query};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, Synchronous};
pub use trouble::ErrorClass;

use crate::error::{ErrorKind, RuntimeError};
use crate::instance_id;
use crate::payload::Payload;

/// The number a store gives to an instance. It is never used for another one.
pub type InstanceKey = i64;

/// What a store can answer besides success.
pub type StoreResult<T> = Result<T, RuntimeError>;

/// The answer to a batch, called once, from any thread. It must not block.
pub type Reply = Box<dyn FnOnce(Result<Applied, Box<Refused>>) + Send>;

/// A batch that was not applied, and why.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub error: RuntimeError,
    /// The batch as it was given, to be applied again where that can help.
    pub batch: Batch,
}

/// The proof that a worker owns a store, compared with every batch it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// The status of an instance, by Durable Task's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// Asked for; no turn has run.
    Pending,
    /// Under way.
    Running,
    /// Returned a success.
    Completed,
    /// Returned an error, or failed.
    Failed,
    /// Ended from outside.
    Terminated,
    /// Not to be run until it is resumed; [`State::report`] may say why.
    Suspended,
}

impl Status {
    const ALL: [Self; 6] = [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Terminated, Self::Suspended];

    /// Whether nothing can happen to the instance any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Terminated)
    }

    /// The name, as stores and the HTTP API spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Terminated => "Terminated",
            Self::Suspended => "Suspended",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one turn, one start or one message changes. Applied as a whole.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Who writes: a worker with its claim, or `None` for a client.
    pub epoch: Option<Epoch>,
    /// Finished instances to delete with all they have left. Refused when one is unfinished, or is a sub-orchestration of one
    /// that is, or when one that is unfinished was called by it. An entity, the id of which begins with `@`, is deleted unless a message waits
    /// for it. Applied before the rest, so that an id can be used again.
    pub purge: Vec<InstanceKey>,
    /// A new instance. The batch is refused when its id exists.
    pub create: Option<NewInstance>,
    /// New sub-orchestrations. One whose id exists is left out; [`Applied::children`] tells.
    pub children: Vec<NewInstance>,
    /// A turn of an existing instance.
    pub append: Option<Append>,
    /// The orchestrator of the generation that begins with that turn: the turns before it are deleted, and it becomes turn 1.
    pub continues: Option<String>,
    /// The state of that instance after the turn, if it changed. One that has ended with it has no heartbeats any more.
    pub update: Option<Update>,
    /// Messages for instances that are not run by the writer of this batch.
    pub post: Vec<(InstanceKey, Event)>,
    /// What activities have said of themselves. One for an instance that is not there or has finished is left out.
    pub heartbeats: Vec<Heartbeat>,
    /// Messages for instances by their ids, as a turn knows its sub-orchestrations. One for an instance that is not there or has
    /// finished is left out.
    pub tell: Vec<(String, Event)>,
    /// Messages this batch has taken into a history.
    pub consume: Vec<i64>,
    /// Large values, kept beside the histories that name their keys. They are deleted with the generation they belong to.
    pub beside: Vec<Beside>,
}

/// A value that is kept beside a history.
#[derive(Clone, Debug)]
pub struct Beside {
    /// To whose history it belongs.
    pub owner: Owner,
    /// Its key, of which there is no other.
    pub key: i64,
    /// The value, as it is to be kept.
    pub content: Vec<u8>,
}

/// To which of the histories that a batch writes a value belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// That of [`Batch::create`].
    Created,
    /// That of the one at this place of [`Batch::children`].
    Child(usize),
    /// That of [`Batch::append`].
    Appended,
}

/// An instance that does not exist yet.
#[derive(Clone, Debug)]
pub struct NewInstance {
    /// Its instance id.
    pub id: String,
    /// The orchestrator.
    pub name: String,
    /// The orchestration that called it.
    pub parent: Option<Parent>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Its first turn, which begins with `ExecutionStarted`. The time of a start that is not due is in the future.
    pub turn: Turn,
    /// Its state after that turn.
    pub state: State,
    /// What it is labelled with.
    pub tags: BTreeMap<String, String>,
}

/// A turn and its place in the history: 1 is the first.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose history.
    pub instance: InstanceKey,
    /// The number of the turn; it must follow the last one, also where [`Batch::continues`] deletes that.
    pub number: u32,
    /// What happened.
    pub turn: Turn,
}

/// A change of an instance's state.
#[derive(Clone, Debug)]
pub struct Update {
    /// Whose state.
    pub instance: InstanceKey,
    /// The state.
    pub state: State,
}

/// The details of an activity's last heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The instance that called it.
    pub instance: InstanceKey,
    /// The number of the call.
    pub call: CallId,
    /// The details; `None` deletes what is kept of them.
    pub details: Option<Payload>,
}

/// What a store knows of an instance beside its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its status.
    pub status: Status,
    /// Whether a restarted worker has something to do for it at once.
    pub busy: bool,
    /// When the earliest of its timers is due.
    pub wake_at: Option<Timestamp>,
    /// What the orchestrator last said of itself.
    pub custom_status: Option<Payload>,
    /// Why it was parked.
    pub report: Option<String>,
}

impl State {
    /// The state of an instance that has just been asked for.
    #[must_use]
    pub fn pending() -> Self {
        Self { status: Status::Pending, busy: true, wake_at: None, custom_status: None, report: None }
    }

    /// Whether its next timer, or its start, is due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.wake_at.is_some_and(|at| at <= now)
    }
}

/// What a batch brought about.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The key of [`Batch::create`].
    pub created: Option<InstanceKey>,
    /// The keys of [`Batch::children`], in their order; `None` for one whose id was taken.
    pub children: Vec<Option<InstanceKey>>,
    /// How many of [`Batch::purge`] were there to be deleted.
    pub purged: usize,
}

/// An instance as a store knows it, without its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The store's number for it.
    pub key: InstanceKey,
    /// Its instance id.
    pub id: String,
    /// The orchestrator.
    pub name: String,
    /// The orchestration that called it.
    pub parent: Option<Parent>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its last turn ran.
    pub updated_at: Timestamp,
    /// Its state.
    pub state: State,
    /// What it is labelled with.
    pub tags: BTreeMap<String, String>,
}

/// An instance with all there is to know of it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The instance.
    pub instance: Instance,
    /// Its turns, from the first on.
    pub history: Vec<Turn>,
    /// What its activities have said last, by the numbers of their calls.
    pub heartbeats: BTreeMap<CallId, Payload>,
    /// Why a turn cannot be read, if one cannot. It stands in the history without events.
    pub unreadable: Option<RuntimeError>,
}

/// A message that waits for the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number; later messages have greater ones.
    pub number: i64,
    /// Whom it is for.
    pub instance: InstanceKey,
    /// The instance id of that.
    pub id: String,
    /// What it says, or why it cannot be read.
    pub event: StoreResult<Event>,
}

/// How an instance is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// By the store's number.
    Key(InstanceKey),
    /// By its instance id.
    Id(String),
}

/// How many instances that have not ended were started by the same code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Census {
    /// The orchestrator.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The shape of its code in the build that started them, 0 when unknown.
    pub shape: u64,
    /// How many there are.
    pub instances: u64,
}

impl Census {
    /// A row of a census.
    #[must_use]
    pub fn new(name: String, version: u32, shape: u64, instances: u64) -> Self {
        Self { name, version, shape, instances }
    }
}

/// Something that a worker runs by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Registered {
    /// What it is.
    pub kind: RegisteredKind,
    /// Its name.
    pub name: String,
    /// Its version; 1 for an entity.
    pub version: u32,
    /// The shape of its code, 0 for an entity.
    pub shape: u64,
}

impl Registered {
    /// Something of this kind.
    #[must_use]
    pub fn new(kind: RegisteredKind, name: impl Into<String>, version: u32, shape: u64) -> Self {
        Self { kind, name: name.into(), version, shape }
    }
}

/// What can be addressed by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RegisteredKind {
    /// An orchestrator, in one of its versions.
    Orchestrator,
    /// An entity type.
    Entity,
}

/// Keeps instances and their histories.
pub trait Store: Send + Sync + 'static {
    /// Makes the caller the one worker of this store, and `registered` what [`registered`](Self::registered) answers.
    ///
    /// While another process is the worker it waits for its end, or fails with [`ErrorKind::Locked`] when `wait` is false.
    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>>;

    /// What the worker that claimed this store last can run, in the order of the fields; nothing when there was none yet.
    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>>;

    /// Applies a batch and answers when it is durable, or when it was refused.
    ///
    /// Refusals change nothing: [`ErrorKind::AlreadyExists`], [`ErrorKind::Fenced`], [`ErrorKind::Invalid`] for a turn out
    /// of order, [`ErrorKind::Unsupported`] for one of what has ended where that cannot be, [`ErrorKind::TooLarge`],
    /// [`ErrorKind::Store`] when the disk failed. The [class](RuntimeError::class) of an error says whether the same batch is given again.
    fn apply(&self, batch: Batch, reply: Reply);

    /// An instance with its history.
    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>>;

    /// An instance without its history.
    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>>;

    /// The first or the last turn of an instance: its input is in the one, its outcome in the other.
    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>>;

    /// A page of the instances that a query is about, in its order.
    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>>;

    /// How many instances there are of each status, without those of which there are none.
    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>>;

    /// The instances that ended longest ago with `status`, at most `limit`, and when they did. Sub-orchestrations are left out
    /// while their caller is there.
    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>>;

    /// The keys and ids of instances a worker has to run, a page at a time.
    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>>;

    /// The instances that have not ended, by what their `ExecutionStarted` says of their code, in the order of the fields.
    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>>;

    /// When the next timer of any instance is due.
    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>>;

    /// Messages with a number above `after`, of one instance or of all, oldest first.
    fn messages(&self, instance: Option<InstanceKey>, after: i64) -> BoxFuture<'_, StoreResult<Vec<Message>>>;

    /// The values that are kept beside histories under these keys. One that is not there is left out.
    fn beside(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>>;

    /// Calls `listener` after another process has written what this one may wait for: starts and messages for the worker,
    /// any progress for a client. At least once per change, perhaps more often.
    fn listen(&self, role: Role, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()>;

    /// The path of a file in which the worker notes what it runs, to be read after the process has died. `None` by default; then an
    /// activity that keeps killing the process is not detected.
    fn journal(&self) -> Option<std::path::PathBuf> {
        None
    }

    /// Writes what is still queued and lets the store go. Fails when something that was queued is lost.
    fn close(&self) -> BoxFuture<'_, StoreResult<()>>;
}

/// Which end of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first turn.
    First,
    /// The last turn.
    Last,
}

/// Which instances to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runnable {
    /// Those a worker has something to do for at once, by their keys.
    Busy {
        /// Only those with a greater key.
        after: InstanceKey,
        /// At most so many.
        limit: usize,
    },
    /// Those with a timer that is due, the earliest first.
    Due {
        /// Due at this time.
        now: Timestamp,
        /// At most so many.
        limit: usize,
    },
}

/// For whom a store listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The process that runs turns.
    Worker,
    /// A process that only asks.
    Client,
}

pub(crate) fn already_exists(id: &str) -> RuntimeError {
    let message =
        format!("an orchestration with the id `{id}` exists already; give another `.id(..)`, or attach to the one that runs");
    RuntimeError::new(ErrorKind::AlreadyExists, message)
}

pub(crate) fn unfinished(id: &str) -> RuntimeError {
    let message = if instance_id::is_entity(id) {
        format!("a message waits for the entity `{id}`, so nothing was purged; ask again when it has been taken")
    } else {
        format!("the orchestration `{id}` has not finished, so nothing was purged; terminate it and wait for its end")
    };
    RuntimeError::new(ErrorKind::Unfinished, message)
}

fn out_of_order(append: &Append) -> RuntimeError {
    let message = format!("turn {} of instance {} does not follow its history", append.number, append.instance);
    RuntimeError::new(ErrorKind::Invalid, message)
}

fn fenced() -> RuntimeError {
    RuntimeError::new(ErrorKind::Fenced, "another worker has taken over the store; this one has stopped")
}

/// Opens the store of a URL.
pub(crate) async fn open(url: &str, settings: UrlSettings) -> StoreResult<Arc<dyn Store>> {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    match scheme {
        "memory" => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(SqliteStore::open_url(rest, settings).await?)),
        _ => {
            let _ = (rest, settings);
            let message = format!("`{url}` names no store; write `sqlite:orders.db` for a file, or `memory:` for tests");
            Err(RuntimeError::new(ErrorKind::Invalid, message))
        }
    }
}

/// What a program says beside a URL.
#[cfg(feature = "sqlite")]
pub(crate) type UrlSettings = sqlite::SqliteSettings;
#[cfg(not(feature = "sqlite"))]
pub(crate) type UrlSettings = ();
