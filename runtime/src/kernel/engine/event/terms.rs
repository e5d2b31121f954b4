//! What events say of calls, callers and executions.

use serde::{Deserialize, Serialize};

use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;

/// The number of a call within its execution: 1 is the first, in the order of first polls.
pub type CallId = u64;

/// What one execution of an orchestration leaves to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continued {
    /// The number of the execution that starts: 2 is the first that continues another.
    pub execution: u32,
    /// How many calls all executions before have made. The numbers go on, so that a late result of an old call meets none of the
    /// new ones.
    pub calls: CallId,
    /// The events that were raised and not taken yet, oldest first within a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Raised>,
}

/// An external event that waits to be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// The event.
    pub name: String,
    /// Its recorded value.
    pub input: Payload,
}

/// External events of one name that no wait has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTaken {
    /// The event.
    pub name: String,
    /// How many were raised and not taken.
    pub count: u64,
}

/// One run of an orchestration, as an entity knows it: an id may be used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The instance id.
    pub instance: String,
    /// When the execution of it was started.
    pub run: Timestamp,
}

/// A critical section that an entity is part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityLock {
    /// Whose.
    pub holder: Caller,
    /// The number of the call that asked for it.
    pub id: CallId,
    /// The instance ids of all entities in it, in the order in which they are locked.
    pub entities: Vec<String>,
}

/// Who waits for a sub-orchestration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The instance id of the caller.
    pub instance: String,
    /// The number of the call there.
    pub id: CallId,
}
