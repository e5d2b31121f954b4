//! What one step changes: the kernel speaks it, a store applies it as a whole.

use std::collections::BTreeMap;

use crate::kernel::engine::event::{CallId, Event, Parent, Turn};
use crate::kernel::error::RuntimeError;
use crate::kernel::payload::Payload;
use crate::kernel::stored::{InstanceKey, State};
use crate::kernel::time::Timestamp;

/// The proof that a worker owns a store, compared with every batch it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Epoch(pub i64);

impl Epoch {
    /// The claim with this number. Later claims have greater ones.
    #[must_use]
    pub fn new(number: i64) -> Self {
        Self(number)
    }
}

/// What one turn, one start or one message changes. Applied as a whole.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
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
    /// The orchestrator of the execution that begins with that turn: the turns before it are deleted, and it becomes turn 1.
    pub continues: Option<String>,
    /// The state of that instance after the turn, if it changed. One that has ended with it has no heartbeats any more.
    pub update: Option<Update>,
    /// Whether that instance was set aside until now: the messages that have waited with it are handed out from now on.
    pub takes_up: bool,
    /// Messages for instances that are not run by the writer of this batch.
    pub post: Vec<(InstanceKey, Event)>,
    /// What activities have said of themselves. One for an instance that is not there or has finished is left out.
    pub heartbeats: Vec<Heartbeat>,
    /// Messages for instances by their ids, as a turn knows its sub-orchestrations. One for an instance that is not there or has
    /// finished is left out.
    pub tell: Vec<(String, Event)>,
    /// Messages this batch has taken into a history.
    pub consume: Vec<i64>,
    /// Large values, stored out of line; the histories name their keys. They are deleted with the execution they belong to.
    pub out_of_line: Vec<OutOfLine>,
}

/// A value that is stored out of line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutOfLine {
    /// To whose history it belongs.
    pub owner: Owner,
    /// Its key, of which there is no other.
    pub key: i64,
    /// The value, as it is to be kept.
    pub content: Vec<u8>,
}

impl OutOfLine {
    /// A value to store out of line.
    #[must_use]
    pub fn new(owner: Owner, key: i64, content: Vec<u8>) -> Self {
        Self { owner, key, content }
    }
}

/// To which of the histories that a batch writes a value belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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

impl NewInstance {
    /// An instance that was asked for at the time of its first turn, without a parent and tags.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, turn: Turn, state: State) -> Self {
        let (created_at, tags) = (turn.at, BTreeMap::new());
        Self { id: id.into(), name: name.into(), parent: None, created_at, turn, state, tags }
    }
}

/// A turn and its place in the history: 1 is the first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Append {
    /// Whose history.
    pub instance: InstanceKey,
    /// The number of the turn; it must follow the last one, also where [`Batch::continues`] deletes that.
    pub number: u32,
    /// What happened.
    pub turn: Turn,
}

impl Append {
    /// A turn of an instance.
    #[must_use]
    pub fn new(instance: InstanceKey, number: u32, turn: Turn) -> Self {
        Self { instance, number, turn }
    }
}

/// A change of an instance's state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Update {
    /// Whose state.
    pub instance: InstanceKey,
    /// The state.
    pub state: State,
}

impl Update {
    /// A change of an instance's state.
    #[must_use]
    pub fn new(instance: InstanceKey, state: State) -> Self {
        Self { instance, state }
    }
}

/// The details of an activity's last heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The instance that called it.
    pub instance: InstanceKey,
    /// The number of the call.
    pub call: CallId,
    /// The details; `None` deletes what is kept of them.
    pub details: Option<Payload>,
}

impl Heartbeat {
    /// The details of a heartbeat, or their end.
    #[must_use]
    pub fn new(instance: InstanceKey, call: CallId, details: Option<Payload>) -> Self {
        Self { instance, call, details }
    }
}

/// What a batch brought about.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Applied {
    /// The key of [`Batch::create`].
    pub created: Option<InstanceKey>,
    /// The keys of [`Batch::children`], in their order; `None` for one whose id was taken.
    pub children: Vec<Option<InstanceKey>>,
    /// How many of [`Batch::purge`] were there to be deleted.
    pub purged: usize,
}

impl Applied {
    /// What a batch brought about.
    #[must_use]
    pub fn new(created: Option<InstanceKey>, children: Vec<Option<InstanceKey>>, purged: usize) -> Self {
        Self { created, children, purged }
    }
}

/// A batch that was not applied, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Why.
    pub error: RuntimeError,
    /// The batch as it was given, to be applied again where that can help.
    pub batch: Batch,
}

impl Refused {
    /// A batch that was not applied.
    #[must_use]
    pub fn new(error: RuntimeError, batch: Batch) -> Self {
        Self { error, batch }
    }
}
