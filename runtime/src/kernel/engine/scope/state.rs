//! What one loaded execution knows of its calls and events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::kernel::engine::event::{CallId, Continued, NotTaken, Raised};
use crate::kernel::engine::poison::Poison;
use crate::kernel::engine::scope::channel::{Arrived, Channel};
use crate::kernel::engine::scope::prefetched::Prefetched;
use crate::kernel::engine::work::{Command, EntityWork, Operation, Work};
use crate::kernel::failure::Failure;
use crate::kernel::function::Recorded;
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::kernel::time::Timestamp;

/// How many failures of calls are kept, to say where an error that the orchestrator returns came from.
const REMEMBERED_FAILURES: usize = 16;

/// The state of one loaded execution that its futures read and write.
pub(crate) struct Scope {
    pub(crate) token: u64,
    /// Whether it stands in for the scope of a future that is unloaded.
    pub(super) unloading: bool,
    pub(crate) instance: Arc<str>,
    pub(crate) orchestrator: Registration,
    /// The number of the execution.
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
    pub(crate) prefetched: Prefetched,
    /// What [`patched`](Self::patched) has answered.
    pub(super) patches: BTreeMap<String, bool>,
    /// Patches of the last poll, not yet recorded.
    pub(crate) patched_now: Vec<String>,
    /// The lock of entities that is held or waited for.
    pub(super) lock: Option<Held>,
    /// The last failures that calls have had, the newest first.
    failures: VecDeque<Failure>,
    pub(super) events: BTreeMap<String, Channel>,
    pub(super) last_call: CallId,
    pub(super) last_wait: u64,
    last_event: u64,
    uuids: u64,
}

/// The lock that an orchestration holds or waits for.
pub(crate) struct Held {
    pub(super) id: CallId,
    pub(super) entities: Vec<String>,
    pub(super) site: &'static Location<'static>,
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
            prefetched: Prefetched::default(),
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

    /// The number of a call that is made now.
    pub(super) fn next_call(&mut self) -> CallId {
        self.last_call += 1;
        self.last_call
    }

    /// Gives an open call its outcome and wakes whoever waits for it. `None` when nobody can take it any more.
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

    pub(super) fn channel(&mut self, name: &str) -> &mut Channel {
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

    /// Begins as the execution that follows another.
    pub(crate) fn go_on(&mut self, continued: Continued) {
        self.execution = continued.execution;
        self.last_call = continued.calls;
        for Raised { name, input } in continued.events {
            self.raise(&name, input);
        }
    }

    /// What the next execution begins with. The future that waited for events must be gone.
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
}
