//! What the futures of an orchestrator see of the engine while they are polled.
//!
//! Invariant: the scope is in its thread's slot during a poll and nowhere else. While a future is unloaded a stand-in is there: it answers
//! as the scope does, and what is asked of it is forgotten. So a call that is dropped then was unloaded, not cancelled.

mod call;
mod wait;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::kernel::engine::entity::Held;
use crate::kernel::engine::event::{CallId, Continued, Event, NotTaken, Raised};
use crate::kernel::engine::poison::Poison;
use crate::kernel::engine::work::{Attempts, Command, EntityWork, Operation, Work};
use crate::kernel::failure::Failure;
use crate::kernel::function::{Options, Recorded};
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::kernel::time::Timestamp;
pub(crate) use call::Call;
pub(crate) use wait::Arrived;
use wait::Channel;
pub(crate) use wait::Wait;

thread_local! {
    static CURRENT: RefCell<Option<Box<Scope>>> = const { RefCell::new(None) };
    static AWAITING: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// How many failures of calls are kept, to say where an error that the orchestrator returns came from.
const REMEMBERED_FAILURES: usize = 16;

/// The state of one loaded execution that its futures read and write.
pub(crate) struct Scope {
    pub(crate) token: u64,
    /// Whether it stands in for the scope of a future that is unloaded.
    unloading: bool,
    pub(crate) instance: Arc<str>,
    pub(crate) orchestrator: Registration,
    /// The number of the generation.
    pub(crate) execution: u32,
    /// The orchestration that waits for this one.
    pub(crate) parent: Option<Arc<str>>,
    pub(crate) started_at: Timestamp,
    /// The time the orchestrator sees, which never runs backwards.
    pub(crate) now: Timestamp,
    /// The time of the machine, from which a timer is set.
    pub(crate) clock: Timestamp,
    pub(crate) replaying: bool,
    pub(crate) open: BTreeMap<CallId, Open>,
    pub(crate) commands: VecDeque<Command>,
    pub(crate) cancelled: Vec<CallId>,
    pub(crate) custom_status: Option<Payload>,
    pub(crate) fatal: Option<Failure>,
    /// The event that a wait could not read. Nothing is polled any more then.
    pub(crate) poison: Option<Box<Poison>>,
    /// Why another recorded value that the code has asked for cannot be decoded. The run is parked then.
    pub(crate) unreadable: Option<String>,
    /// The numbers of events that no wait takes.
    pub(crate) put_aside: BTreeSet<u64>,
    /// Events of which it is to be known whether a wait has taken them.
    pub(crate) watched: BTreeSet<u64>,
    /// Those of them that one has.
    pub(crate) taken: BTreeSet<u64>,
    /// What the orchestrator has asked to be continued as.
    pub(crate) continuation: Option<(Registration, Payload)>,
    /// How often a leaf future was polled.
    pub(crate) leaf_polls: u64,
    /// What the history to be replayed holds that is asked for before its event.
    pub(crate) foreseen: Foreseen,
    /// What [`patched`](Self::patched) has answered.
    patches: BTreeMap<String, bool>,
    /// Patches of the last poll, not yet recorded.
    pub(crate) patched_now: Vec<String>,
    /// The lock of entities that is held or waited for.
    pub(super) lock: Option<Held>,
    /// The last failures that calls have had, the newest first.
    failures: VecDeque<Failure>,
    events: BTreeMap<String, Channel>,
    last_call: CallId,
    last_wait: u64,
    last_event: u64,
    uuids: u64,
}

/// What a side effect has returned, and where it was written.
struct Effect {
    result: Payload,
    at: String,
}

/// Results of decisions that are not waited for.
#[derive(Default)]
pub(crate) struct Foreseen {
    effects: BTreeMap<CallId, Effect>,
    patches: BTreeSet<String>,
}

impl Foreseen {
    pub(crate) fn add(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::SideEffect { id, result, at } => {
                    self.effects.insert(*id, Effect { result: result.clone(), at: at.clone() });
                }
                Event::Patched { name } => {
                    self.patches.insert(name.clone());
                }
                _ => {}
            }
        }
    }
}

/// What is known of a side effect.
pub(crate) enum Recalled {
    /// It is to happen.
    Live,
    /// It has happened.
    Result(Payload),
    /// The history that is replayed does not know it.
    Nothing,
}

/// A call that has no outcome yet, or whose outcome was not fetched yet.
pub(crate) struct Open {
    pub(crate) work: Work,
    pub(crate) outcome: Option<Recorded>,
    pub(crate) waker: Option<Waker>,
    /// When a child that has failed is to be tried again.
    pub(crate) retry_at: Option<Timestamp>,
}

impl Scope {
    pub(crate) fn new(token: u64, instance: Arc<str>, orchestrator: Registration) -> Self {
        Self {
            token,
            unloading: false,
            instance,
            orchestrator,
            execution: 1,
            parent: None,
            started_at: Timestamp(0),
            now: Timestamp(0),
            clock: Timestamp(0),
            replaying: false,
            open: BTreeMap::new(),
            commands: VecDeque::new(),
            cancelled: Vec::new(),
            custom_status: None,
            fatal: None,
            poison: None,
            unreadable: None,
            put_aside: BTreeSet::new(),
            watched: BTreeSet::new(),
            taken: BTreeSet::new(),
            continuation: None,
            leaf_polls: 0,
            foreseen: Foreseen::default(),
            patches: BTreeMap::new(),
            patched_now: Vec::new(),
            lock: None,
            failures: VecDeque::new(),
            events: BTreeMap::new(),
            last_call: 0,
            last_wait: 0,
            last_event: 0,
            uuids: 0,
        }
    }

    /// What stands in for it while its future is unloaded. No call is one of its own, so none is cancelled.
    pub(crate) fn unloading(&self) -> Self {
        Self {
            unloading: true,
            execution: self.execution,
            parent: self.parent.clone(),
            started_at: self.started_at,
            now: self.now,
            clock: self.clock,
            replaying: true,
            patches: self.patches.clone(),
            uuids: self.uuids,
            ..Self::new(0, self.instance.clone(), self.orchestrator)
        }
    }

    pub(crate) fn call_activity(
        &mut self,
        name: &'static str,
        input: Result<Payload, Failure>,
        options: Options,
        site: &'static Location<'static>,
    ) -> Call {
        let attempts = Attempts { options, number: 1, since: self.now };
        let work = |input, _id| Work::Activity { name, input, attempts, not_before: None };
        self.call(input, work, site)
    }

    pub(crate) fn call_child(
        &mut self,
        name: &'static str,
        input: Result<Payload, Failure>,
        id: Option<String>,
        attempts: Option<Attempts>,
        site: &'static Location<'static>,
    ) -> Call {
        let is_detached = attempts.is_none();
        let instance = id.unwrap_or_else(|| self.child_id(self.last_call + 1));
        let forbidden = if is_detached { None } else { self.forbids_children(name) };
        let input = forbidden.map_or(input, Err);
        let work = |input, _id| Work::Child { name, input, instance, attempts };
        let call = self.call(input, work, site);
        if is_detached && let Some(Open { outcome: Some(Err(failure)), .. }) = self.open.remove(&call.id) {
            self.fatal.get_or_insert(failure);
        }
        call
    }

    /// The instance id of a sub-orchestration that was given none.
    pub(crate) fn child_id(&self, call: CallId) -> String {
        format!("{}:{call}", self.instance)
    }

    /// What a side effect has returned, as far as it is recorded. Outside a replay that is one from before a rewind, written at the same
    /// place.
    pub(crate) fn recall(&mut self, site: &'static Location<'static>) -> Recalled {
        match self.foreseen.effects.get(&(self.last_call + 1)) {
            Some(effect) if self.replaying || effect.at == place(site) => {
                let result = effect.result.clone();
                if self.can_read(&result) { Recalled::Result(result) } else { Recalled::Nothing }
            }
            _ if !self.replaying || self.unloading => Recalled::Live,
            _ => Recalled::Nothing,
        }
    }

    pub(crate) fn call_side_effect(&mut self, result: Payload, site: &'static Location<'static>) {
        let id = self.next_call();
        self.commands.push_back(Command { id, work: Work::SideEffect { result }, at: place(site) });
    }

    /// Whether the code that asks is newer than the part of the history it is in.
    pub(crate) fn patched(&mut self, name: &str) -> bool {
        if let Some(known) = self.patches.get(name) {
            return *known;
        }
        let patched = !self.replaying || self.foreseen.patches.contains(name);
        self.patches.insert(name.to_owned(), patched);
        if !self.replaying {
            self.patched_now.push(name.to_owned());
        }
        patched
    }

    pub(crate) fn call_timer(&mut self, fire_at: Timestamp, site: &'static Location<'static>) -> Call {
        self.call(Ok(Payload::null()), |_, _| Work::Timer { fire_at }, site)
    }

    /// The number of a call that is made now.
    pub(super) fn next_call(&mut self) -> CallId {
        self.last_call += 1;
        self.last_call
    }

    pub(super) fn call(
        &mut self,
        input: Result<Payload, Failure>,
        work: impl FnOnce(Payload, CallId) -> Work,
        site: &'static Location<'static>,
    ) -> Call {
        let id = self.next_call();
        let (work, outcome) = match input {
            Ok(input) => (work(input, id), None),
            Err(failure) => (work(Payload::null(), id), Some(Err(failure))),
        };
        if outcome.is_none() {
            self.commands.push_back(Command { id, work: work.clone(), at: place(site) });
        }
        self.open.insert(id, Open { work, outcome, waker: None, retry_at: None });
        Call { token: self.token, id, done: false }
    }

    /// Gives an open call its outcome and wakes whoever waits for it. `false` when nobody can take it any more.
    pub(crate) fn complete(&mut self, id: CallId, outcome: Recorded) -> Option<Option<Waker>> {
        let open = self.open.get_mut(&id).filter(|open| open.outcome.is_none())?;
        let outcome = outcome.map_err(|failure| {
            let (name, input) = match &open.work {
                Work::Activity { name, input, .. } | Work::Child { name, input, .. } => ((*name).to_owned(), input),
                Work::Entity(EntityWork::Call(Operation { entity, name, input })) => (format!("{entity}.{name}"), input),
                Work::Timer { .. } | Work::SideEffect { .. } | Work::Entity(_) => return failure,
            };
            let failure = failure.of_call(&name, &self.instance, id, input);
            self.failures.truncate(REMEMBERED_FAILURES - 1);
            self.failures.push_front(failure.clone());
            failure
        });
        open.outcome = Some(outcome);
        Some(open.waker.take())
    }

    /// Gives a raised event to the longest waiter, or keeps it for the next one.
    pub(crate) fn raise(&mut self, name: &str, payload: Payload) -> Option<Waker> {
        self.last_event += 1;
        let number = self.last_event;
        if self.put_aside.contains(&number) {
            return None;
        }
        self.channel(name).put(Arrived { number, payload })
    }

    /// Whether the code can be given a recorded value. One that it cannot be given parks the run.
    pub(crate) fn can_read(&mut self, payload: &Payload) -> bool {
        let error = payload.depth_error();
        let can_read = error.is_none();
        if let Some(error) = error {
            self.unreadable.get_or_insert_with(|| format!("a recorded value cannot be decoded: {error}"));
        }
        can_read
    }

    /// The events that no wait has taken, with `more` that came too late for any.
    pub(crate) fn not_taken<'a>(&'a self, more: impl Iterator<Item = &'a str>) -> Vec<NotTaken> {
        let left = self.events.iter().flat_map(|(name, channel)| {
            let count = channel.buffered.len() + channel.waiters.iter().filter(|waiter| waiter.arrived.is_some()).count();
            std::iter::repeat_n(name.as_str(), count)
        });
        let mut counts = BTreeMap::new();
        left.chain(more).for_each(|name| *counts.entry(name).or_insert(0) += 1);
        counts.into_iter().map(|(name, count)| NotTaken { name: name.to_owned(), count }).collect()
    }

    /// Why a value cannot be what the orchestrator waits for under this name, as far as that is known.
    pub(crate) fn refuses(&self, name: &str, payload: &Payload) -> Option<Failure> {
        self.events.get(name)?.check?(payload).err()
    }

    fn channel(&mut self, name: &str) -> &mut Channel {
        if !self.events.contains_key(name) {
            self.events.insert(name.to_owned(), Channel::default());
        }
        self.events.get_mut(name).expect("the channel is there")
    }

    /// The failure that ends the orchestration, or whether it continues as new.
    pub(crate) fn end_of_poll(&mut self) -> (Option<Failure>, bool) {
        if self.poison.is_some() {
            (self.fatal, self.continuation) = (None, None);
        }
        if self.fatal.is_some() {
            self.continuation = None;
        }
        (self.fatal.take(), self.continuation.is_some())
    }

    /// What the orchestrator returned; an error that is one of its calls' says which.
    pub(crate) fn returned(&self, outcome: Recorded) -> Recorded {
        outcome.map_err(|mut failure| {
            let _ = self.failures.iter().any(|other| failure.came_from(other));
            failure
        })
    }

    /// Begins as the generation that follows another.
    pub(crate) fn go_on(&mut self, continued: Continued) {
        self.execution = continued.execution;
        self.last_call = continued.calls;
        for Raised { name, input } in continued.events {
            self.raise(&name, input);
        }
    }

    /// What the next generation begins with. The future that waited for events must be gone.
    pub(crate) fn leave(&mut self) -> Continued {
        let events = std::mem::take(&mut self.events).into_iter().flat_map(|(name, channel)| {
            channel.buffered.into_iter().map(move |arrived| Raised { name: name.clone(), input: arrived.payload })
        });
        Continued { execution: self.execution.saturating_add(1), calls: self.last_call, events: events.collect() }
    }

    /// The names of the external events that are waited for.
    #[cfg(feature = "testing")]
    pub(crate) fn awaited_events(&self) -> Vec<String> {
        let awaited = self.events.iter().filter(|(_, channel)| channel.waiters.iter().any(|waiter| waiter.arrived.is_none()));
        awaited.map(|(name, _)| name.clone()).collect()
    }

    /// A uuid that is the same at every replay: version 5, from the instance, its start and a counter.
    pub(crate) fn new_uuid(&mut self) -> uuid::Uuid {
        self.uuids += 1;
        let mut name = format!("{}\n{}\n{}", self.instance, self.started_at.0, self.uuids);
        if self.execution > 1 {
            let _ = write!(name, "\n{}", self.execution);
        }
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes())
    }

    /// Gives up a call. What is left of it holds values of the user's, to be dropped outside the scope.
    fn cancel(&mut self, id: CallId) -> Option<Open> {
        let open = self.open.remove(&id);
        if open.as_ref().is_some_and(|open| open.outcome.is_none()) {
            self.cancelled.push(id);
        }
        self.unlock_entities(id);
        open
    }
}

/// Runs `work` on the scope of the orchestrator that is polled on this thread, if there is one.
pub(crate) fn with<R>(work: impl FnOnce(&mut Scope) -> R) -> Option<R> {
    CURRENT.with_borrow_mut(|current| current.as_deref_mut().map(work))
}

/// Puts a scope into this thread's slot until the guard is dropped.
pub(crate) fn enter(scope: &mut Option<Box<Scope>>) -> Entered<'_> {
    let outer = CURRENT.replace(scope.take());
    Entered { scope, outer }
}

/// A scope that is in its thread's slot.
pub(crate) struct Entered<'s> {
    scope: &'s mut Option<Box<Scope>>,
    outer: Option<Box<Scope>>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.scope = CURRENT.replace(self.outer.take());
    }
}

/// Notes where the orchestrator awaits, until the guard is dropped.
pub(crate) fn awaiting(site: &'static Location<'static>) -> Awaiting {
    Awaiting(AWAITING.replace(Some(site)))
}

/// Holds the place that encloses the one where the orchestrator awaits.
pub(crate) struct Awaiting(Option<&'static Location<'static>>);

impl Drop for Awaiting {
    fn drop(&mut self) {
        AWAITING.set(self.0);
    }
}

/// Where a call was written. A function passed to `map` is called from inside the standard library; then the place is
/// the `.await` under which it happens.
pub(super) fn place(site: &'static Location<'static>) -> String {
    let inside_std = site.file().starts_with("/rustc/") || site.file().contains("/library/core/");
    let site = if inside_std { AWAITING.get().unwrap_or(site) } else { site };
    format!("{}:{}", site.file(), site.line())
}

/// The declared value, or the end of the orchestration when the declared type has no place for the failure.
pub(crate) fn settle<O>(name: &str, restored: Result<O, Failure>) -> Poll<O> {
    match restored {
        Ok(output) => Poll::Ready(output),
        Err(failure) => {
            fail(failure.context(format!("`{name}` failed, and its return type has no place for the failure")));
            Poll::Pending
        }
    }
}

/// Gives up the turn because of an event that cannot be read.
pub(crate) fn poison(poison: Poison) {
    with(|scope| {
        scope.taken.remove(&poison.number);
        scope.poison.get_or_insert_with(|| Box::new(poison));
    });
}

/// Ends the orchestration that is polled with `failure`.
pub(crate) fn fail(failure: Failure) {
    with(|scope| {
        scope.fatal.get_or_insert(failure);
    });
}
