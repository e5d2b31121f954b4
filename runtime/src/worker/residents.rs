//! Which machines are in memory.
//!
//! Invariant: no machine is stepped while the map is locked.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use crate::activity::Signals;
use crate::kernel::engine::event::CallId;
use crate::kernel::machine::entity::Entity;
use crate::kernel::machine::instance::Instance;
use crate::kernel::stored::InstanceKey;
use crate::lock::{Lock, Order};
use crate::worker::activities::job::Running;
use crate::worker::shard::Shard;

/// A machine in memory.
pub(crate) struct Resident<M> {
    pub(super) id: Arc<str>,
    pub(super) shard: Weak<Shard>,
    pub(super) machine: Lock<M>,
    /// The attempts that run or wait for a place.
    pub(super) running: Lock<HashMap<CallId, Running>>,
}

impl<M> Resident<M> {
    pub(super) fn new(id: &Arc<str>, shard: &Arc<Shard>, machine: M) -> Arc<Self> {
        Arc::new(Self {
            id: id.clone(),
            shard: Arc::downgrade(shard),
            machine: Lock::new(Order::Machine, machine),
            running: Lock::default(),
        })
    }
}

impl Resident<Instance> {
    /// Its key in the store; 0 until it is created or read.
    pub(super) fn key(&self) -> InstanceKey {
        self.machine.lock().key()
    }

    /// Notes that an attempt runs or waits for a place.
    pub(super) fn runs(&self, call: CallId, running: Running) {
        self.running.lock().insert(call, running);
    }

    pub(super) fn stops(&self, call: CallId) -> Option<Running> {
        self.running.lock().remove(&call)
    }

    /// Nothing is kept of what an attempt has said. Whether it has said something.
    pub(super) fn hush(&self, call: CallId) -> bool {
        let signals: Option<Arc<Signals>> = self.running.lock().get(&call).map(|running| running.signals.clone());
        signals.is_some_and(|signals| signals.hush())
    }
}

/// The machines of one kind, by their ids.
pub(super) struct Map<M>(Lock<HashMap<Arc<str>, Arc<Resident<M>>>>);

impl<M> Map<M> {
    fn new() -> Self {
        Self(Lock::new(Order::Residents, HashMap::new()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.0.lock().contains_key(id)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Resident<M>>> {
        self.0.lock().get(id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Resident<M>>> {
        self.0.lock().values().cloned().collect()
    }

    /// The one with this id, and whether it was made just now.
    pub(super) fn get_or_insert(&self, id: &Arc<str>, make: impl FnOnce() -> Arc<Resident<M>>) -> (Arc<Resident<M>>, bool) {
        match self.0.lock().entry(id.clone()) {
            Entry::Occupied(entry) => (entry.get().clone(), false),
            Entry::Vacant(entry) => (entry.insert(make()).clone(), true),
        }
    }

    /// A new one, unless there is one with this id.
    pub(super) fn insert(&self, id: &Arc<str>, make: impl FnOnce() -> Arc<Resident<M>>) -> Option<Arc<Resident<M>>> {
        match self.0.lock().entry(id.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => Some(entry.insert(make()).clone()),
        }
    }

    /// Takes one out, if it is the one that is there.
    pub(super) fn remove(&self, resident: &Arc<Resident<M>>) -> bool {
        let mut map = self.0.lock();
        let is_there = map.get(&resident.id).is_some_and(|there| Arc::ptr_eq(there, resident));
        if is_there {
            map.remove(&resident.id);
        }
        is_there
    }
}

/// All that is in memory.
pub(super) struct Residents {
    pub(super) instances: Map<Instance>,
    pub(super) entities: Map<Entity>,
    /// Instances that were resting with nothing under way, the longest first.
    idle: Lock<VecDeque<Weak<Resident<Instance>>>>,
    max: usize,
}

impl Residents {
    pub(super) fn new(max: usize) -> Self {
        Self { instances: Map::new(), entities: Map::new(), idle: Lock::default(), max }
    }

    /// Notes that an instance rests and could give way to others.
    pub(super) fn rests(&self, instance: &Arc<Resident<Instance>>) {
        let mut idle = self.idle.lock();
        if idle.len() > 2 * self.max {
            idle.retain(|instance| instance.strong_count() > 0);
        }
        idle.push_back(Arc::downgrade(instance));
    }

    /// The longest idle instance, if too many are loaded.
    pub(super) fn next_to_go(&self) -> Option<Arc<Resident<Instance>>> {
        while self.instances.len() > self.max {
            let longest = self.idle.lock().pop_front()?;
            if let Some(longest) = longest.upgrade() {
                return Some(longest);
            }
        }
        None
    }

    /// How many more instances may be loaded, and how many are. Those that rest give way only when they are many: a caller of
    /// thousands of sub-orchestrations would else be replayed for each of them.
    pub(super) fn room(&self) -> (usize, usize) {
        let loaded = self.instances.len();
        let idle = self.idle.lock().len();
        let free = self.max.saturating_sub(loaded);
        (if free > 0 { free } else { idle.saturating_sub(self.max / 2) }, loaded)
    }

    /// Whether an entity that rests should give way.
    pub(super) fn has_many_entities(&self) -> bool {
        self.entities.len() > self.max
    }

    /// Nothing rests any more.
    pub(super) fn clear_idle(&self) {
        self.idle.lock().clear();
    }
}
