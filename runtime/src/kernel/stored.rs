//! What a store knows of an instance.

use std::collections::BTreeMap;

use crate::kernel::engine::event::{CallId, Event, Parent, Turn};
use crate::kernel::error::RuntimeError;
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;

/// The number a store gives to an instance. It is never used for another one.
pub type InstanceKey = i64;

/// What a store can answer besides success.
pub type StoreResult<T> = Result<T, RuntimeError>;

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
    /// Not to be run until it is resumed; parked by the worker if [`State::report`] says why.
    Suspended,
}

impl Status {
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
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a store knows of an instance beside its history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

    /// Whether the instance is not to be run now: somebody has suspended it, it cannot be run, or its start is not due.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        self.status == Status::Suspended || self.status == Status::Pending && !self.busy
    }

    /// Whether its next timer, or its start, is due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.wake_at.is_some_and(|at| at <= now)
    }
}

/// An instance as a store knows it, without its history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl Instance {
    /// An instance that was asked for and updated at the same time, without a parent and tags.
    #[must_use]
    pub fn new(key: InstanceKey, id: impl Into<String>, name: impl Into<String>, created_at: Timestamp, state: State) -> Self {
        let (updated_at, tags) = (created_at, BTreeMap::new());
        Self { key, id: id.into(), name: name.into(), parent: None, created_at, updated_at, state, tags }
    }
}

/// An instance with all there is to know of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
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

impl Stored {
    /// An instance with its turns, without heartbeats.
    #[must_use]
    pub fn new(instance: Instance, history: Vec<Turn>) -> Self {
        Self { instance, history, heartbeats: BTreeMap::new(), unreadable: None }
    }
}

/// A message that waits for the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMessage {
    /// Its number; later messages have greater ones.
    pub number: i64,
    /// Whom it is for.
    pub instance: InstanceKey,
    /// The instance id of that.
    pub id: String,
    /// What it says, or why it cannot be read.
    pub event: StoreResult<Event>,
}

impl StoredMessage {
    /// A message for an instance.
    #[must_use]
    pub fn new(number: i64, instance: InstanceKey, id: impl Into<String>, event: StoreResult<Event>) -> Self {
        Self { number, instance, id: id.into(), event }
    }
}
