//! What a step of an instance asks its shell to do.

use std::sync::Arc;

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::{CallId, Event, Parent};
use crate::kernel::engine::execution::Execution;
use crate::kernel::error::RuntimeError;
use crate::kernel::function::{Limits, Recorded};
use crate::kernel::machine::instance::jobs::{First, ReplayJob, Sorting, TurnJob};
use crate::kernel::machine::message::{Ack, Message};
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::kernel::stored::{InstanceKey, StoreResult};
use crate::kernel::time::Timestamp;
use crate::kernel::trace::TraceContext;

/// What a step asks for, in the order in which it is done.
#[derive(Default)]
pub(crate) struct Effects {
    /// Of the instance; 0 until it is created or read.
    pub(crate) key: InstanceKey,
    /// Sub-orchestrations were created, and wait to be begun.
    pub(crate) created_children: bool,
    /// Its entry in the clock, before and from now on.
    pub(crate) clock: Option<(Option<Timestamp>, Option<Timestamp>)>,
    /// When an instance that leaves the memory is due.
    pub(crate) stored_due: Option<Timestamp>,
    /// Executions that are no longer needed, to be dropped with no lock held.
    pub(crate) retired: Vec<Execution>,
    /// It rests, and may be evicted.
    pub(crate) rests: bool,
    /// Nobody waits for these calls any more.
    pub(crate) cancelled: Vec<CallId>,
    /// Attempts that end with the memory of their instance.
    pub(crate) aborted: Vec<CallId>,
    /// Sub-orchestrations that may have ended already.
    pub(crate) looked_at: Vec<(CallId, String)>,
    pub(crate) starts: Vec<Start>,
    /// Messages of the inbox that nobody takes into a history.
    pub(crate) discarded: Vec<i64>,
    /// What goes to the inbox of the instance.
    pub(crate) posts: Vec<Post>,
    pub(crate) acks: Vec<(Ack, StoreResult<()>)>,
    /// A place is given back.
    pub(crate) leaves_place: bool,
    /// Something was written for others: orchestrations, entities.
    pub(crate) wrote_messages: bool,
    pub(crate) wrote_to_entities: bool,
    /// A commit was applied.
    pub(crate) committed: bool,
    /// Its first turn has run.
    pub(crate) begun: bool,
    /// It has left the memory.
    pub(crate) gone: bool,
    pub(crate) ended: Option<Ended>,
    pub(crate) left: Left,
    /// What is to be done next, and answered by an input.
    pub(crate) next: Option<Next>,
}

/// The end of a run.
pub(crate) struct Ended {
    pub(crate) key: InstanceKey,
    pub(crate) parent: Option<Parent>,
    pub(crate) outcome: Recorded,
    /// Whether it ended without a turn, so that its locks are not given back by it.
    pub(crate) without_a_turn: bool,
}

/// What becomes of messages that an instance has left over.
#[derive(Default)]
pub(crate) enum Left {
    #[default]
    Nothing,
    /// They are sent again, to whoever has the id by then.
    Sent(Vec<Message>),
    Refused(Vec<Message>, RuntimeError),
    /// They are sent again if an orchestration of this id has not ended, and refused otherwise.
    Homeless {
        messages: Vec<Message>,
        unwanted: Vec<i64>,
        error: RuntimeError,
    },
}

/// A message on its way to the inbox.
pub(crate) struct Post {
    pub(crate) event: Event,
    pub(crate) ack: Option<Ack>,
}

/// An attempt of an activity that is to be run.
pub(crate) struct Start {
    /// The key of the instance.
    pub(crate) owner: InstanceKey,
    pub(crate) call: CallId,
    pub(crate) activity: Registration,
    pub(crate) limit_key: Option<Arc<str>>,
    pub(crate) input: Payload,
    pub(crate) attempt: u32,
    pub(crate) limits: Limits,
    /// What the activity gives to others so that they recognize another attempt of the same call.
    pub(crate) idempotency_key: String,
    pub(crate) last_heartbeat: Option<Payload>,
    pub(crate) trace: Option<Box<TraceContext>>,
}

/// What is to be done next. Each is answered by the input of its name.
pub(crate) enum Next {
    /// Nothing but another step, by [`Input::Work`](super::Input::Work).
    Work,
    First(Box<First>),
    /// To read the instance and its inbox.
    Load {
        with_arguments: bool,
        after_posts: bool,
    },
    Replay(Box<ReplayJob>),
    /// To take a place, or to stand in line for one.
    Place,
    Sort(Box<Sorting>),
    Turn(Box<TurnJob>),
    /// To find the sub-orchestrations that have not ended.
    Children,
    Commit(Box<Commit>),
}

/// A batch on its way to the store.
pub(crate) struct Commit {
    pub(crate) batch: Batch,
    /// Calls that are over: nothing that an attempt of them has said is kept.
    pub(crate) hushed: Vec<CallId>,
}

impl Effects {
    /// The message goes to the inbox.
    pub(super) fn post(&mut self, message: Message) {
        if let Some(event) = message.event {
            self.posts.push(Post { event, ack: message.ack });
        }
    }

    /// Whoever sent the message is told why nothing comes of it.
    pub(super) fn refuse(&mut self, message: Message, error: &RuntimeError) {
        self.acks.extend(message.ack.map(|ack| (ack, Err(error.clone()))));
    }

    /// The same, and the message is taken out of the inbox.
    pub(super) fn decline(&mut self, message: Message, error: RuntimeError) {
        self.discarded.extend(message.inbox);
        self.refuse(message, &error);
    }
}
