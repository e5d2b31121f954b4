//! One orchestration: its mailbox, its turns, its commits.
//!
//! Invariant: a commit is under way, or about to be, only in the phases `Loading` and `Turning`. Nothing leaves before the commit that decided
//! it is applied. What came through the inbox is consumed by the commit that takes it into the history, so it is lost never and taken once.

mod aside;
mod commit;
mod effects;
pub(crate) mod jobs;
mod load;
mod parts;
mod place;
mod turn;

use std::sync::Arc;

use crate::kernel::batch::{Applied, Refused};
use crate::kernel::engine::event::{CallId, Event, Parent};
use crate::kernel::engine::execution::Execution;
use crate::kernel::error::RuntimeError;
use crate::kernel::machine::calls::Calls;
use crate::kernel::machine::message::Message;
use crate::kernel::payload::Payload;
use crate::kernel::stored::{InstanceKey, State, StoreResult};
use crate::kernel::time::Timestamp;
pub(crate) use effects::{Commit, Effects, Ended, Left, Next, Post, Start};
use jobs::{Began, Replayed, Sorted, Turned};
pub(crate) use load::{Found, Loaded};
use parts::{Pending, Place};

/// An orchestration as a machine.
pub(crate) struct Instance {
    id: Arc<str>,
    phase: Phase,
    mailbox: Vec<Message>,
    /// 0 until it is created or read.
    key: InstanceKey,
    parent: Option<Parent>,
    /// When the execution was started whose first turn has not run yet.
    fresh: Option<Timestamp>,
    /// How many turns the history has.
    turns: u32,
    /// The loaded orchestrator; away during a job, gone while the instance is set aside.
    execution: Option<Execution>,
    /// As the store has it.
    state: State,
    calls: Calls,
    /// Its entry in the clock.
    armed: Option<Timestamp>,
    /// Whether it stands in the list of what can be evicted.
    listed: bool,
    place: Place,
    /// Whether it is about to run, or to be read, as soon as it has a place.
    queued: bool,
    /// Whether something was posted to its inbox while it waited for a place.
    has_posted: bool,
    /// Whether the next load reads the arguments of calls.
    wants_arguments: bool,
    /// What was read, while a place is asked for.
    found: Option<Box<Found>>,
    /// The commit that is under way.
    pending: Option<Box<Pending>>,
    /// The request to end the instance, while its sub-orchestrations are looked for.
    terminating: Option<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its history is being read or replayed.
    Loading,
    /// It waits.
    Resting,
    /// A job or a commit is under way, or about to begin.
    Turning,
    /// It waits for a place: to run a turn, or to be read where it has no execution.
    Queued,
    /// It is not to be run now; its messages go to the inbox.
    SetAside,
    /// It has left the memory.
    Gone,
}

/// What a machine is told.
pub(crate) enum Input {
    /// Somebody brings a message.
    Deliver(Message),
    /// Goes on with what waits.
    Work,
    /// Answers `Next::First`.
    Began(Began),
    /// Answers `Next::Load`.
    Loaded(Loaded),
    /// Answers `Next::Replay`.
    Replayed(Replayed),
    /// Answers `Next::Place`: whether there was one. Without one it stands in the line.
    Place(bool),
    /// Its turn in the line for a place has come.
    Placed,
    /// Answers `Next::Sort`.
    Sorted(Sorted),
    /// Answers `Next::Turn`.
    Turned(Turned),
    /// Answers `Next::Children`: what ends those that live.
    Children(StoreResult<Vec<(String, Event)>>),
    /// Answers `Next::Commit`.
    Applied(Applied),
    /// Answers `Next::Commit`, where trying again does not help.
    Refused(Refused),
    /// An attempt has ended: what it said last, and its outcome unless it was cancelled.
    AttemptEnded { call: CallId, last_heartbeat: Option<Payload>, event: Option<Event> },
    /// Which instance the call of the instance with the key `own` has made.
    Child { own: InstanceKey, call: CallId, child: InstanceKey },
    /// Its entry in the clock is due, and was taken off.
    Due,
    /// It gives way to others, if it can.
    Evict,
    /// It leaves, whatever is under way.
    Stop(RuntimeError),
}

impl Instance {
    /// An instance whose history has to be read first: the answer to `Next::Load`.
    pub(crate) fn unloaded(id: Arc<str>, places_are_limited: bool) -> Self {
        let place = if places_are_limited { Place::None } else { Place::Unlimited };
        Self::in_phase(id, Phase::Loading, place)
    }

    /// An instance that is being created, with a place: the answer to `Next::First`.
    pub(crate) fn created(id: Arc<str>, places_are_limited: bool) -> Self {
        let place = if places_are_limited { Place::Has } else { Place::Unlimited };
        Self::in_phase(id, Phase::Turning, place)
    }

    fn in_phase(id: Arc<str>, phase: Phase, place: Place) -> Self {
        Self {
            id,
            phase,
            mailbox: Vec::new(),
            key: 0,
            parent: None,
            fresh: None,
            turns: 0,
            execution: None,
            state: State::pending(),
            calls: Calls::default(),
            armed: None,
            listed: false,
            place,
            queued: false,
            has_posted: false,
            wants_arguments: false,
            found: None,
            pending: None,
            terminating: None,
        }
    }

    pub(crate) fn key(&self) -> InstanceKey {
        self.key
    }

    /// Whether a job or a commit is under way.
    pub(crate) fn is_turning(&self) -> bool {
        self.phase == Phase::Turning
    }

    /// Takes an input in, at the time `now`.
    pub(crate) fn step(&mut self, now: Timestamp, input: Input) -> Effects {
        let mut fx = Effects::default();
        match input {
            Input::Deliver(message) => self.deliver(message, &mut fx),
            Input::Work => self.work(now, &mut fx),
            Input::Began(began) => self.began(began, &mut fx),
            Input::Loaded(loaded) => self.loaded(now, loaded, &mut fx),
            Input::Replayed(replayed) => self.replayed(now, replayed, &mut fx),
            Input::Place(is_free) => self.answered_place(now, is_free, &mut fx),
            Input::Placed => self.placed(now, &mut fx),
            Input::Sorted(sorted) => self.sorted(now, sorted, &mut fx),
            Input::Turned(turned) => self.turned(now, turned, &mut fx),
            Input::Children(children) => self.terminate(now, children, &mut fx),
            Input::Applied(applied) => self.applied(applied, &mut fx),
            Input::Refused(refused) => self.refused(now, refused, &mut fx),
            Input::AttemptEnded { call, last_heartbeat, event } => self.attempt_ended(call, last_heartbeat, event, &mut fx),
            Input::Child { own, call, child } => self.note_child(own, call, child),
            Input::Due => {
                self.armed = None;
                self.deliver(Message { posted_for: Some(self.key), ..Message::nudge() }, &mut fx);
            }
            Input::Evict => self.evict(&mut fx),
            Input::Stop(error) => {
                let left = self.leave(&mut fx);
                fx.left = Left::Refused(left, error);
            }
        }
        fx.key = self.key;
        fx
    }

    /// Takes the end of an attempt in where all it does is wait in the mailbox, as most of a large fan-out do; gives it back otherwise. It has
    /// no effects, so it costs less than a step.
    pub(crate) fn keeps_end(&mut self, call: CallId, last_heartbeat: Option<Payload>, event: Option<Event>) -> Option<Input> {
        if !matches!(self.phase, Phase::Loading | Phase::Turning) {
            return Some(Input::AttemptEnded { call, last_heartbeat, event });
        }
        self.attempt_ended(call, last_heartbeat, event, &mut Effects::default());
        None
    }

    /// Puts a message into the mailbox. One for an instance that has left is given back.
    fn deliver(&mut self, message: Message, fx: &mut Effects) {
        if !message.is_for(self.key) {
            return;
        }
        if self.phase == Phase::Gone {
            (fx.gone, fx.left) = (true, Left::Sent(vec![message]));
            return;
        }
        self.mailbox.push(message);
        if matches!(self.phase, Phase::Resting | Phase::Queued | Phase::SetAside) {
            self.phase = Phase::Turning;
            fx.next = Some(Next::Work);
        }
    }

    /// Deals with all that waits: with a turn, or, where the instance waits for a place or is set aside, without one.
    fn work(&mut self, now: Timestamp, fx: &mut Effects) {
        if self.phase != Phase::Turning {
            return;
        }
        if self.queued {
            self.queue(now, fx);
        } else if self.execution.is_some() {
            self.turn(now, fx);
        } else {
            self.keep(now, fx);
        }
    }

    fn attempt_ended(&mut self, call: CallId, last_heartbeat: Option<Payload>, event: Option<Event>, fx: &mut Effects) {
        self.calls.running.remove(&call);
        if self.phase == Phase::SetAside && self.calls.running.is_empty() {
            self.leave_place(fx);
        }
        if let Some(details) = last_heartbeat {
            self.calls.heartbeats.insert(call, details);
        }
        let has_ended = self.phase == Phase::Gone && self.state.status.is_terminal();
        if let Some(event) = event.filter(|_| !has_ended) {
            let posted_for = (self.phase == Phase::Gone).then_some(self.key);
            self.deliver(Message { posted_for, ..Message::of(event) }, fx);
        }
    }

    /// Notes which instance a call has made.
    fn note_child(&mut self, own: InstanceKey, call: CallId, child: InstanceKey) {
        if self.key == own
            && let Some(called) = self.calls.children.get_mut(&call)
        {
            called.key.get_or_insert(child);
        }
    }

    /// Stands in the list of what can be evicted.
    fn list(&mut self, fx: &mut Effects) {
        fx.rests |= !std::mem::replace(&mut self.listed, true);
    }

    fn arm(&mut self, fx: &mut Effects) {
        let start = self.state.wake_at.filter(|_| self.state.status == crate::kernel::stored::Status::Pending);
        self.set_clock(self.calls.next_due().or(start), fx);
    }

    fn set_clock(&mut self, due: Option<Timestamp>, fx: &mut Effects) {
        if self.armed != due {
            // Several changes in a step are one.
            let before = fx.clock.take().map_or(self.armed, |(before, _)| before);
            fx.clock = Some((before, due));
            self.armed = due;
        }
    }

    /// Goes back to the history when no activity of it is under way and nothing waits for it.
    fn evict(&mut self, fx: &mut Effects) {
        self.listed = false;
        let may_go = match self.phase {
            Phase::Resting => self.calls.only_children(),
            // What runs of it is known here only.
            Phase::SetAside => self.calls.running.is_empty(),
            Phase::Loading | Phase::Turning | Phase::Queued | Phase::Gone => false,
        };
        if !may_go || !self.mailbox.is_empty() {
            return;
        }
        self.phase = Phase::Gone;
        fx.stored_due = self.calls.next_due().or(self.armed);
        self.set_clock(None, fx);
        fx.retired.extend(self.execution.take());
        fx.gone = true;
    }

    /// Leaves the memory; gives back what nobody has taken.
    fn leave(&mut self, fx: &mut Effects) -> Vec<Message> {
        self.phase = Phase::Gone;
        fx.retired.extend(self.execution.take());
        fx.aborted.extend(self.calls.running.drain());
        self.set_clock(None, fx);
        self.leave_place(fx);
        fx.gone = true;
        std::mem::take(&mut self.mailbox).into_iter().map(Message::left_over).collect()
    }
}
