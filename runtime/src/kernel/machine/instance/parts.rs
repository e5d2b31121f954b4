//! What an instance holds from one step to the next.

use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::engine::execution::{Action, Execution, Next as Following};
use crate::kernel::error::RuntimeError;
use crate::kernel::function::Recorded;
use crate::kernel::machine::code::Planned;
use crate::kernel::machine::instance::effects::Effects;
use crate::kernel::machine::message::{Ack, Message};
use crate::kernel::stored::State;
use crate::kernel::time::Timestamp;

/// Whether an instance has one of the places for runs that work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Everybody has one.
    Unlimited,
    None,
    /// Asked for, and not answered yet.
    Asked,
    /// It stands in the line.
    Waits,
    Has,
}

/// What a commit lets out.
pub(super) struct Pending {
    /// The loaded orchestrator; nothing when it has ended or is set aside.
    pub(super) execution: Option<Execution>,
    pub(super) attempts: Vec<Planned>,
    pub(super) refused: Vec<(CallId, Event)>,
    pub(super) actions: Vec<Action>,
    pub(super) acks: Vec<Ack>,
    /// Those who are told why nothing comes of what they have asked for.
    pub(super) declined: Vec<(Ack, RuntimeError)>,
    /// The state that it brings the instance to.
    pub(super) state: State,
    /// How many turns it adds to the history.
    pub(super) turns: u32,
    pub(super) outcome: Option<Recorded>,
    /// The execution that follows, its first event, and when it was started.
    pub(super) next: Option<(Timestamp, Event, Execution)>,
    /// Whether the instance is set aside by it.
    pub(super) sets_aside: bool,
    /// Whether it creates the instance.
    pub(super) creates: bool,
}

impl Pending {
    /// One that changes the state only.
    pub(super) fn of(state: State) -> Self {
        Self {
            execution: None,
            attempts: Vec::new(),
            refused: Vec::new(),
            actions: Vec::new(),
            acks: Vec::new(),
            declined: Vec::new(),
            state,
            turns: 0,
            outcome: None,
            next: None,
            sets_aside: false,
            creates: false,
        }
    }

    pub(super) fn following(
        at: Timestamp,
        next: Option<Following>,
        execution: Option<Execution>,
    ) -> Option<(Timestamp, Event, Execution)> {
        next.zip(execution).map(|(next, execution)| (at, next.started, execution))
    }

    /// Keeps the execution if it goes on.
    pub(super) fn keeping(mut self, execution: Execution, fx: &mut Effects) -> Self {
        if self.outcome.is_none() && self.next.is_none() {
            self.execution = Some(execution);
        } else {
            fx.retired.push(execution);
        }
        self
    }
}

/// Messages that wait for the commit that sets an instance aside.
#[derive(Default)]
pub(super) struct Waiting {
    /// What was to be delivered; it goes to the inbox.
    pub(super) post: Vec<Event>,
    pub(super) acks: Vec<Ack>,
    /// Resumptions that have not helped, and why.
    pub(super) declined: Vec<(Ack, RuntimeError)>,
    pub(super) consume: Vec<i64>,
    /// Messages for others.
    pub(super) tell: Vec<(String, Event)>,
}

impl Waiting {
    pub(super) fn asked(message: &mut Message) -> Self {
        Self { acks: message.ack.take().into_iter().collect(), consume: message.inbox.into_iter().collect(), ..Self::default() }
    }
}

/// A request that changes an instance without a turn.
pub(super) enum Change {
    /// It is to be run again; nothing asks for that when its time has come.
    Resume(Option<Message>),
    Suspend(Message),
    Terminate(Message),
}
