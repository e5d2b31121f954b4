//! Where histories are kept: one trait, one write verb.
//!
//! What every store promises:
//!
//! 1. A [`Batch`] is one transaction: all of it, or nothing of it.
//! 2. The answer to [`Store::apply`] comes after the batch is durable, never before.
//! 3. A batch of a worker carries the epoch of its claim; a batch with an older epoch is refused.
//! 4. A history is append-only and dense; a failed batch leaves the state before it.
//!
//! The trait may change in any 0.x release. It can be implemented, and its types have constructors and may get more fields.
//!
//! Invariant: a store knows nothing of turns, wakers or tokio tasks; it never calls up but to answer.

pub(crate) mod guarded;
mod memory;
pub(crate) mod payload_store;
mod payloads;
mod query;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;

#[doc(hidden)]
pub use crate::kernel::batch::{Append, Applied, Batch, Epoch, Heartbeat, NewInstance, OutOfLine, Owner, Refused, Update};
pub use crate::kernel::engine::event::{CallId, Continued, Event, NotTaken, Parent, Raised, Turn};
pub use crate::kernel::error::ErrorClass;
pub use crate::kernel::stored::Status;
#[doc(hidden)]
pub use crate::kernel::stored::{Instance, InstanceKey, State, StoreResult, Stored, StoredMessage};
pub use crate::kernel::time::Timestamp;
pub use memory::MemoryStore;
pub use payloads::{Codec, Payloads};
#[doc(hidden)]
pub use query::{After, Query};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, Synchronous};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id;

/// The answer to a batch, called once, from any thread. It must not block.
#[doc(hidden)]
pub type Reply = Box<dyn FnOnce(Result<Applied, Box<Refused>>) + Send>;

/// How an instance is looked up.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
///
/// # Cancel safety
/// The futures of all methods can be dropped at any time. A read changes nothing. What a dropped [`claim`](Self::claim) or
/// [`close`](Self::close) still holds is let go when the store itself is dropped.
///
/// # Stability
/// The trait and the types that only it uses may change in any 0.x release. `testing::store_conformance` checks an implementation.
#[doc(hidden)]
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

    /// The numbers of the messages that the worker is to hand out, oldest first: all but those of instances that are
    /// [set aside](State::is_aside), which read their messages when they go on. What [ends such a state](Event::is_request) is among them.
    fn waiting(&self) -> BoxFuture<'_, StoreResult<Vec<i64>>>;

    /// Messages, oldest first. One that is not there is left out.
    fn messages(&self, which: Messages) -> BoxFuture<'_, StoreResult<Vec<StoredMessage>>>;

    /// The values that are stored out of line under these keys. One that is not there is left out.
    fn out_of_line(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>>;

    /// Calls `listener` after another process has written what this one may wait for: starts and messages for the worker,
    /// any progress for a client. At least once per change, perhaps more often.
    fn listen(&self, kind: ProcessKind, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()>;

    /// The path of a file in which the worker notes what it runs, to be read after the process has died. `None` by default; then an
    /// activity that keeps killing the process is not detected.
    fn journal(&self) -> Option<std::path::PathBuf> {
        None
    }

    /// Writes what is still queued and lets the store go. Fails when something that was queued is lost.
    fn close(&self) -> BoxFuture<'_, StoreResult<()>>;
}

/// Which end of a history.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The first turn.
    First,
    /// The last turn.
    Last,
}

/// Which messages.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Messages {
    /// All.
    All,
    /// Those of one instance.
    Of(InstanceKey),
    /// Those with these numbers.
    Numbered(Vec<i64>),
}

/// Which instances to run.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runnable {
    /// Those that wait for their first turn, and may have it, the oldest first.
    New {
        /// At most so many.
        limit: usize,
    },
    /// Those a worker has something to do for at once, by their keys: what a worker that has taken over goes through once.
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

/// The kind of process that a store listens for.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessKind {
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
        format!("cannot purge the entity `{id}`: a message waits for it; try again when the entity has taken it")
    } else {
        format!("cannot purge: the orchestration `{id}` has not finished; terminate it and wait for its end")
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
#[derive(Default)]
pub(crate) struct UrlSettings {}
