//! A process, its store and its clients; one seed chooses what happens next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

use crate::kernel::batch::{Append, Applied, Batch, Refused};
use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorClass, ErrorKind, RuntimeError};
use crate::kernel::machine::entity::Entity;
use crate::kernel::machine::instance::Instance;
use crate::kernel::machine::simulation::attempts::Attempt;
use crate::kernel::machine::simulation::clients::Clients;
use crate::kernel::machine::simulation::programs::Process;
use crate::kernel::machine::simulation::services::Look;
use crate::kernel::machine::simulation::store::Store;
use crate::kernel::time::Timestamp;

/// What happens when its turn comes.
pub(super) type Then = Box<dyn FnOnce(&mut World)>;
/// What happens when a batch was applied or refused.
pub(super) type Reply = Box<dyn FnOnce(&mut World, Result<Applied, Refused>)>;

pub(super) struct World {
    random: Pcg64,
    pub(super) now: Timestamp,
    pub(super) store: Store,
    pub(super) clients: Clients,
    /// How many runs may have a place, if that is limited.
    pub(super) places: Option<usize>,
    verifies: bool,
    /// Whether no fault happens any more.
    pub(super) is_calm: bool,
    /// How many processes there have been.
    pub(super) life: u32,
    pub(super) memory: Memory,
    /// Whether each thing that happens is printed.
    pub(super) tells: bool,
    pub(super) steps: u64,
}

/// A machine of a process. It stays after it has left, for what reaches it late.
pub(super) struct Resident<M> {
    pub(super) id: Arc<str>,
    pub(super) machine: M,
    /// Whether a job, a load or a commit of it is under way.
    pub(super) at_work: bool,
    /// The attempts that run.
    pub(super) running: BTreeMap<u64, usize>,
}

/// What a crash takes away.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) instances: Vec<Resident<Instance>>,
    pub(super) entities: Vec<Resident<Entity>>,
    pub(super) instances_by_id: BTreeMap<Arc<str>, usize>,
    pub(super) entities_by_id: BTreeMap<Arc<str>, usize>,
    /// What can happen next, in any order.
    bag: Vec<(&'static str, Then)>,
    /// Batches on their way to the store, which applies them in their order.
    queue: VecDeque<(Batch, Reply)>,
    pub(super) attempts: Vec<Attempt>,
    /// Instances that stand in the list of what can be evicted.
    pub(super) idle: Vec<usize>,
    pub(super) clock: BTreeSet<(Timestamp, Arc<str>)>,
    pub(super) stored_due: Option<Timestamp>,
    pub(super) free: usize,
    pub(super) line: VecDeque<usize>,
    /// Who has which message of the inbox, and since which look.
    pub(super) handed: BTreeMap<i64, ((bool, usize), u64)>,
    pub(super) looks: u64,
    pub(super) look: Option<Look>,
    pub(super) rung: bool,
    pub(super) starts: bool,
    /// Those that have left because the store has refused a turn for good.
    pub(super) unloaded: BTreeSet<Arc<str>>,
    pub(super) stopped: bool,
    /// How many callers are about to be told of the end of a child.
    pub(super) telling: usize,
    pub(super) is_rewinding: bool,
}

impl World {
    pub(super) fn new(seed: u64, tells: bool) -> Self {
        let mut world = Self {
            random: Pcg64::seed_from_u64(seed),
            now: Timestamp(1_000_000_000),
            store: Store::default(),
            clients: Clients::default(),
            places: None,
            verifies: false,
            is_calm: false,
            life: 0,
            memory: Memory::default(),
            tells,
            steps: 0,
        };
        world.places = [None, Some(1), Some(2)][world.below(3)];
        world.verifies = world.one_in(4);
        world.clients = Clients::new(&mut world);
        world.open();
        world
    }

    /// A number less than `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.random.next_u64() % limit.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// The same, unless no fault happens any more.
    pub(super) fn fault(&mut self, chances: usize) -> bool {
        !self.is_calm && self.one_in(chances)
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{} {}", self.steps, what());
        }
    }

    pub(super) fn process(&self) -> Process {
        Process { now: self.now, verifies: self.verifies }
    }

    /// Something happens later, in any order with the rest.
    pub(super) fn later(&mut self, what: &'static str, then: impl FnOnce(&mut Self) + 'static) {
        self.memory.bag.push((what, Box::new(then)));
    }

    /// Something happens at once, or later.
    pub(super) fn soon(&mut self, what: &'static str, then: impl FnOnce(&mut Self) + 'static) {
        if self.one_in(2) { then(self) } else { self.later(what, then) }
    }

    /// Sends a batch to the store.
    pub(super) fn send(&mut self, batch: Batch, reply: impl FnOnce(&mut Self, Result<Applied, Refused>) + 'static) {
        self.memory.queue.push_back((batch, Box::new(reply)));
    }

    /// Sends a batch again until it is applied, or refused for good.
    pub(super) fn send_patiently(
        &mut self,
        batch: Batch,
        reply: impl FnOnce(&mut Self, Result<Applied, RuntimeError>) + 'static,
    ) {
        self.send(batch, move |world, result| match result {
            Err(Refused { error, batch }) if error.class() == ErrorClass::Passing => {
                world.later("sends again", move |world| world.send_patiently(batch, reply));
            }
            result => reply(world, result.map_err(|refused| refused.error)),
        });
    }

    /// Lets one thing happen. Whether there was one.
    pub(super) fn step(&mut self) -> bool {
        self.steps += 1;
        self.now.0 += 1;
        let (bag, queue) = (self.memory.bag.len(), self.memory.queue.len());
        let looks = usize::from(self.memory.rung || self.memory.look.is_some());
        let chance = [20 * bag.min(1), 8 * queue.min(1), 4 * looks];
        let mut which = self.below(chance.iter().sum::<usize>());
        if bag + queue + looks == 0 {
            return false;
        }
        if which < chance[0] {
            let (what, then) = self.memory.bag.swap_remove(which % bag);
            // Any of them, not the first twenty.
            let (what, then) = self.exchanged(what, then);
            self.tell(|| what.to_owned());
            then(self);
            return true;
        }
        which -= chance[0];
        if which < chance[1] {
            self.apply_next()
        } else {
            self.look()
        }
        true
    }

    /// Puts something back and takes any other.
    fn exchanged(&mut self, what: &'static str, then: Then) -> (&'static str, Then) {
        self.memory.bag.push((what, then));
        let any = self.below(self.memory.bag.len());
        self.memory.bag.swap_remove(any)
    }

    fn apply_next(&mut self) {
        let Some((batch, reply)) = self.memory.queue.pop_front() else { return };
        let refusal = self.refusal(&batch);
        self.tell(|| format!("store: {refusal:?} {batch:?}"));
        let result = match refusal {
            Some(error) => Err(error),
            None => self.store.apply(&batch),
        };
        if let Err(error) = &result {
            let is_rewind = |append: &Append| matches!(append.turn.events[..], [Event::ExecutionRewound { .. }]);
            let is_late = batch.append.as_ref().is_some_and(is_rewind);
            assert!(error.kind() != ErrorKind::Invalid || is_late, "a turn has the wrong place in its history: {error}");
        }
        let result = result.map_err(|error| Refused { error, batch });
        self.later("the store answers", move |world| reply(world, result));
    }

    /// Why the store refuses a batch, if it does without a reason.
    fn refusal(&mut self, batch: &Batch) -> Option<RuntimeError> {
        if self.memory.stopped && self.one_in(3) {
            return Some(RuntimeError::new(ErrorKind::ShuttingDown, "the store is closed"));
        }
        if self.fault(25) {
            return Some(RuntimeError::new(ErrorKind::Store, REFUSED));
        }
        let is_turn = batch.append.is_some() || batch.create.is_some() || batch.update.is_some();
        (is_turn && self.fault(60)).then(|| RuntimeError::new(ErrorKind::TooLarge, REFUSED))
    }

    /// Whether nothing is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.memory.bag.is_empty() && self.memory.queue.is_empty() && !self.memory.rung && self.memory.look.is_none()
    }

    /// The process ends without a word. What was not applied is gone.
    pub(super) fn crash(&mut self) {
        self.tell(|| "crash".to_owned());
        self.memory = Memory::default();
        self.clients.forget();
        self.open();
    }

    /// A worker takes the store over.
    fn open(&mut self) {
        self.life += 1;
        self.memory.free = self.places.unwrap_or(0);
        self.memory.stored_due = self.store.next_wake();
        (self.memory.rung, self.memory.starts) = (true, true);
        self.scan(false);
    }
}

/// How the store refuses what it would take.
pub(super) const REFUSED: &str = "the store does not want it";
