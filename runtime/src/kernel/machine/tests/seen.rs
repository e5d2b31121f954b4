//! What a machine asks for, and what has left it.

use futures::channel::oneshot;

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::machine::instance::{Ended, Next, Start};
use crate::kernel::machine::message::Message;
use crate::kernel::stored::StoreResult;
use crate::kernel::time::Timestamp;

/// What a machine asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Work,
    First,
    Load,
    Replay,
    Place,
    Sort,
    Turn,
    Children,
    Commit,
}

pub(super) fn kind(next: &Next) -> Step {
    match next {
        Next::Work => Step::Work,
        Next::First(_) => Step::First,
        Next::Load { .. } => Step::Load,
        Next::Replay(_) => Step::Replay,
        Next::Place => Step::Place,
        Next::Sort(_) => Step::Sort,
        Next::Turn(_) => Step::Turn,
        Next::Children => Step::Children,
        Next::Commit(_) => Step::Commit,
    }
}

/// What has left a machine.
#[derive(Default)]
pub(super) struct Seen {
    /// What was asked for, the first first.
    pub(super) steps: Vec<Step>,
    pub(super) starts: Vec<Start>,
    pub(super) cancelled: Vec<CallId>,
    pub(super) aborted: Vec<CallId>,
    pub(super) looked_at: Vec<CallId>,
    pub(super) posts: Vec<Event>,
    pub(super) discarded: Vec<i64>,
    pub(super) commits: Vec<Batch>,
    /// The calls whose heartbeats each commit hushes.
    pub(super) hushed: Vec<CallId>,
    /// Of each load, whether it reads arguments, and whether it comes after what was posted.
    pub(super) loads: Vec<(bool, bool)>,
    pub(super) created_children: bool,
    pub(super) wrote_messages: bool,
    pub(super) wrote_to_entities: bool,
    /// Whether whoever watches the run is told.
    pub(super) committed: bool,
    pub(super) begun: bool,
    pub(super) rests: bool,
    pub(super) gone: bool,
    pub(super) retired: usize,
    pub(super) places_left: usize,
    pub(super) stored_due: Option<Timestamp>,
    pub(super) ended: Option<Ended>,
    pub(super) sent: Vec<Message>,
    /// What nobody was found for, and what of the inbox nobody wants.
    pub(super) homeless: Option<(Vec<Message>, Vec<i64>)>,
}

impl Seen {
    /// The calls of the attempts that were started.
    pub(super) fn calls(&self) -> Vec<CallId> {
        self.starts.iter().map(|start| start.call).collect()
    }

    /// The one commit.
    pub(super) fn batch(&self) -> &Batch {
        let [batch] = &self.commits[..] else { panic!("{} commits", self.commits.len()) };
        batch
    }

    /// The events that the one commit adds to the history.
    pub(super) fn recorded(&self) -> &[Event] {
        self.batch().append.as_ref().map_or(&[], |append| &append.turn.events)
    }
}

/// What whoever asked is told.
pub(super) struct Answer<T = ()>(pub(super) oneshot::Receiver<StoreResult<T>>);

impl<T> Answer<T> {
    /// Nothing as long as there is no answer.
    pub(super) fn get(&mut self) -> Option<StoreResult<T>> {
        self.0.try_recv().expect("an answer is not lost")
    }

    pub(super) fn is_ok(&mut self) -> bool {
        self.get().is_some_and(|answer| answer.is_ok())
    }

    pub(super) fn error(&mut self) -> String {
        self.get().and_then(Result::err).expect("it is refused").to_string()
    }
}
