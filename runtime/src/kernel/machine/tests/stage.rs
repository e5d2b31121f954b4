//! Steps the machine of one orchestration, answers what it asks for, and collects what leaves it.
//!
//! Invariants that every test checks: one thing at a time is asked for; an attempt runs once; a machine at rest has no place, and its entry
//! in the clock is that of its state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::channel::oneshot;

use crate::kernel::batch::Refused;
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::function::Function;
use crate::kernel::machine::code::Code as _;
use crate::kernel::machine::instance::jobs::First;
use crate::kernel::machine::instance::{Effects, Input, Instance, Left, Next};
use crate::kernel::machine::message::Message;
use crate::kernel::machine::request::StartRequest;
use crate::kernel::machine::tests::kept::Kept;
use crate::kernel::machine::tests::process::{Process, second};
use crate::kernel::machine::tests::seen::{Answer, Seen, Step, kind};
use crate::kernel::stored::StoreResult;
use crate::kernel::time::Timestamp;
use crate::{Call, Orchestration};

/// A machine and what its shell would know.
pub(super) struct Stage {
    machine: Instance,
    pub(super) process: Process,
    pub(super) store: Kept,
    /// Why the next commits are refused.
    pub(super) refusals: VecDeque<ErrorKind>,
    /// What is answered to who asks for the sub-orchestrations.
    pub(super) children: StoreResult<Vec<(String, Event)>>,
    /// What the machine has asked for and was not answered yet.
    next: Option<Next>,
    are_limited: bool,
    pub(super) free_places: usize,
    held_places: usize,
    in_line: bool,
    running: BTreeSet<CallId>,
    armed: Option<Timestamp>,
    is_gone: bool,
}

/// What is asked for when `call` is started.
pub(super) fn request<F: Function>(call: Orchestration<F>, at: Option<Timestamp>) -> StartRequest {
    let (input, _) = call.into_request();
    let registration = <Orchestration<F> as Call>::REGISTRATION;
    StartRequest {
        id: "run".to_owned(),
        name: registration.name().to_owned(),
        version: registration.version(),
        input: input.expect("the input is JSON"),
        at,
        tags: BTreeMap::new(),
        trace: None,
        replaces: Vec::new(),
    }
}

impl Stage {
    fn new(machine: impl FnOnce(Arc<str>, bool) -> Instance, are_limited: bool) -> Self {
        Self {
            machine: machine("run".into(), are_limited),
            process: Process::default(),
            store: Kept::default(),
            refusals: VecDeque::new(),
            children: Ok(Vec::new()),
            next: None,
            are_limited,
            free_places: 0,
            held_places: 0,
            in_line: false,
            running: BTreeSet::new(),
            armed: None,
            is_gone: false,
        }
    }

    /// One whose first turn is still to be run.
    pub(super) fn starting(request: StartRequest, are_limited: bool) -> (Self, Answer) {
        let mut stage = Self::new(Instance::created, are_limited);
        stage.held_places = usize::from(are_limited);
        let orchestrator = stage.process.orchestrator(&request.name);
        let (ack, answer) = oneshot::channel();
        let orchestrator = orchestrator.expect("it is among the functions of the tests");
        stage.next = Some(Next::First(Box::new(First { id: "run".into(), orchestrator, request, ack })));
        (stage, Answer(answer))
    }

    /// One whose first turn was run.
    pub(super) fn of<F: Function>(call: Orchestration<F>) -> Self {
        let (mut stage, mut answer) = Self::starting(request(call, None), false);
        stage.go_on();
        assert!(answer.is_ok());
        stage
    }

    /// The same, where places are limited. It has had the only one.
    pub(super) fn with_place<F: Function>(call: Orchestration<F>) -> Self {
        let (mut stage, mut answer) = Self::starting(request(call, None), true);
        stage.go_on();
        assert!(answer.is_ok());
        stage
    }

    /// One that is stored, and that nobody has read yet.
    pub(super) fn stored<F: Function>(call: Orchestration<F>, at: Option<Timestamp>) -> Self {
        let mut stage = Self::new(Instance::unloaded, false);
        stage.store.apply(request(call, at).into_batch(0, second(0)));
        stage
    }

    /// Its process has ended, and another has the store.
    pub(super) fn crash(&mut self) {
        self.machine = Instance::unloaded("run".into(), self.are_limited);
        (self.next, self.armed, self.is_gone, self.in_line) = (None, None, false, false);
        (self.free_places, self.held_places) = (self.free_places + self.held_places, 0);
        self.running.clear();
    }

    /// Brings something to a machine that was not read yet, and reads it.
    pub(super) fn wake(&mut self, input: Input) -> Seen {
        self.wake_until(None, input)
    }

    pub(super) fn wake_until(&mut self, stop: impl Into<Option<Step>>, input: Input) -> Seen {
        let mut seen = Seen::default();
        self.step(input, &mut seen);
        assert!(self.next.is_none(), "it is not read yet");
        self.next = Some(Next::Load { with_arguments: false, after_posts: false });
        self.drive(stop.into(), &mut seen);
        seen
    }

    /// After a crash: reads it and goes on.
    pub(super) fn recover(&mut self) -> Seen {
        self.crash();
        self.wake(Input::Deliver(Message::nudge()))
    }

    /// Brings an input, and does what the machine asks for, unless it is busy with something already.
    pub(super) fn tell(&mut self, input: Input) -> Seen {
        self.until(None, input)
    }

    /// The same, until it asks for this.
    pub(super) fn until(&mut self, stop: impl Into<Option<Step>>, input: Input) -> Seen {
        let mut seen = Seen::default();
        let is_busy = self.next.is_some();
        self.step(input, &mut seen);
        if !is_busy {
            self.drive(stop.into(), &mut seen);
        }
        seen
    }

    /// Does what the machine has asked for, and goes on.
    pub(super) fn go_on(&mut self) -> Seen {
        self.go_on_until(None)
    }

    /// The same, until it asks for this.
    pub(super) fn go_on_until(&mut self, stop: impl Into<Option<Step>>) -> Seen {
        let mut seen = Seen::default();
        let next = self.next.take().expect("something is asked for");
        let input = self.answer_to(next);
        self.step(input, &mut seen);
        self.drive(stop.into(), &mut seen);
        seen
    }

    /// Answers what the machine has asked for with this, and goes on.
    pub(super) fn answer(&mut self, input: Input) -> Seen {
        let mut seen = Seen::default();
        drop(self.next.take().expect("something is asked for"));
        self.held_places += usize::from(matches!(input, Input::Place(true)));
        self.step(input, &mut seen);
        self.drive(None, &mut seen);
        seen
    }

    /// Its turn in the line for a place has come.
    pub(super) fn placed(&mut self) -> Seen {
        self.placed_until(None)
    }

    pub(super) fn placed_until(&mut self, stop: impl Into<Option<Step>>) -> Seen {
        (self.held_places, self.in_line) = (self.held_places + 1, false);
        self.until(stop, Input::Placed)
    }

    /// From now on places are limited, and none is free. It was not read yet.
    pub(super) fn limit_places(&mut self) {
        self.are_limited = true;
        self.crash();
    }

    /// Whether a shutdown waits for it.
    pub(super) fn is_turning(&self) -> bool {
        self.machine.is_turning()
    }

    /// Its entry in the clock.
    pub(super) fn armed(&self) -> Option<Timestamp> {
        self.armed
    }

    /// Puts a message into the inbox, and brings it from there.
    pub(super) fn by_inbox(&mut self, event: Event) -> Input {
        let inbox = Some(self.store.post(event.clone()));
        let posted_for = Some(self.store.stored().instance.key);
        Input::Deliver(Message { inbox, posted_for, ..Message::of(event) })
    }

    /// It is so late.
    pub(super) fn at_second(&self, n: i64) {
        self.process.now.set(second(n));
    }

    fn drive(&mut self, stop: Option<Step>, seen: &mut Seen) {
        while let Some(next) = self.next.take() {
            let step = kind(&next);
            if let Next::Load { with_arguments, after_posts } = &next {
                seen.loads.push((*with_arguments, *after_posts));
            }
            if let Next::Commit(commit) = &next {
                seen.commits.push(commit.batch.clone());
                seen.hushed.extend(&commit.hushed);
            }
            seen.steps.push(step);
            assert!(seen.steps.len() < 100, "it goes round in circles");
            if stop == Some(step) {
                self.next = Some(next);
                return;
            }
            let input = self.answer_to(next);
            self.step(input, seen);
        }
    }

    fn answer_to(&mut self, next: Next) -> Input {
        match next {
            Next::Work => Input::Work,
            Next::First(first) => Input::Began(first.run(&self.process)),
            Next::Load { .. } => Input::Loaded(self.store.load()),
            Next::Replay(job) => Input::Replayed(job.run(&self.process)),
            Next::Place => {
                let is_free = self.free_places > 0;
                self.free_places -= usize::from(is_free);
                self.held_places += usize::from(is_free);
                self.in_line = !is_free;
                Input::Place(is_free)
            }
            Next::Sort(sorting) => Input::Sorted(sorting.run(&self.process)),
            Next::Turn(job) => Input::Turned(job.run(&self.process)),
            Next::Children => Input::Children(self.children.clone()),
            Next::Commit(commit) => match self.refusals.pop_front() {
                Some(kind) => {
                    let error = RuntimeError::new(kind, "the store refuses it");
                    Input::Refused(Refused { error, batch: commit.batch })
                }
                None => Input::Applied(self.store.apply(commit.batch)),
            },
        }
    }

    fn step(&mut self, input: Input, seen: &mut Seen) {
        match &input {
            Input::AttemptEnded { call, .. } => drop(self.running.remove(call)),
            Input::Due => self.armed = None,
            _ => {}
        }
        let effects = self.machine.step(self.process.now.get(), input);
        self.perform(effects, seen);
        self.check();
    }

    fn perform(&mut self, effects: Effects, seen: &mut Seen) {
        if let Some((before, after)) = effects.clock {
            assert_eq!(before, self.armed, "an entry of the clock is moved from where it is");
            self.armed = after;
        }
        assert_eq!(effects.key, self.machine.key());
        seen.retired += effects.retired.len();
        for call in effects.cancelled.iter().chain(&effects.aborted) {
            self.running.remove(call);
        }
        seen.cancelled.extend(effects.cancelled);
        seen.aborted.extend(effects.aborted);
        seen.looked_at.extend(effects.looked_at.into_iter().map(|(call, _)| call));
        for start in &effects.starts {
            assert!(self.running.insert(start.call), "an attempt of the call {} runs already", start.call);
        }
        seen.starts.extend(effects.starts);
        for number in effects.discarded {
            self.store.discard(number);
            seen.discarded.push(number);
        }
        for post in effects.posts {
            self.store.post(post.event.clone());
            seen.posts.push(post.event);
            post.ack.into_iter().for_each(|ack| drop(ack.send(Ok(()))));
        }
        effects.acks.into_iter().for_each(|(ack, answer)| drop(ack.send(answer)));
        if effects.leaves_place {
            assert!(self.held_places > 0, "it gives back a place that it does not have");
            (self.held_places, self.free_places) = (self.held_places - 1, self.free_places + 1);
            seen.places_left += 1;
        }
        seen.stored_due = seen.stored_due.or(effects.stored_due);
        seen.created_children |= effects.created_children;
        seen.wrote_messages |= effects.wrote_messages;
        seen.wrote_to_entities |= effects.wrote_to_entities;
        seen.committed |= effects.committed;
        seen.begun |= effects.begun;
        seen.rests |= effects.rests;
        seen.gone |= effects.gone;
        self.is_gone |= effects.gone;
        seen.ended = seen.ended.take().or(effects.ended);
        match effects.left {
            Left::Nothing => {}
            Left::Sent(messages) => seen.sent.extend(messages),
            Left::Refused(messages, error) => messages.into_iter().for_each(|message| message.refuse(error.clone())),
            Left::Homeless { messages, unwanted, .. } => seen.homeless = Some((messages, unwanted)),
        }
        if let Some(next) = effects.next {
            let before = self.next.replace(next);
            assert!(before.is_none(), "two things are under way");
        }
    }

    fn check(&self) {
        if self.next.is_some() {
            return;
        }
        assert!(self.held_places == 0 || !self.running.is_empty() && !self.is_gone, "it keeps a place and works at nothing");
        if self.is_gone {
            assert_eq!((self.armed, self.running.len()), (None, 0), "it has left the memory");
        } else if !self.in_line
            && let Some(stored) = &self.store.stored
            && self.machine.key() != 0
        {
            assert_eq!(self.armed, stored.instance.state.wake_at, "its state says when it is due");
        }
    }
}
