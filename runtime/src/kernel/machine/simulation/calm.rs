//! A whole life: a time of trouble, then a time in which everything comes to its end, and what must be true then.

use std::sync::Arc;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id::is_entity;
use crate::kernel::machine::simulation::programs::hears;
use crate::kernel::machine::simulation::world::{REFUSED, World};
use crate::kernel::machine::{entity, instance};
use crate::kernel::stored::{Instance, Status};

/// How often what has to be done from outside is done until all runs have ended.
const ROUNDS: usize = 40;
/// No life takes as many steps.
const MOST_STEPS: u64 = 50_000;

/// Lives through a seed. Panics when a promise is broken.
pub(super) fn live(seed: u64, tells: bool) -> u64 {
    let mut world = World::new(seed, tells);
    for _ in 0..150 + world.below(450) {
        world.trouble();
        world.hear();
    }
    if world.memory.stopped {
        world.crash();
    }
    world.is_calm = true;
    world.end();
    world.steps
}

impl World {
    /// One thing happens, of all that can.
    fn trouble(&mut self) {
        match self.below(500) {
            0 => self.crash(),
            1 => self.stop(),
            2..=39 => drop(self.ask()),
            40..=64 => self.pass_time(),
            65..=79 => self.evict(),
            _ if self.memory.stopped && self.one_in(30) => self.crash(),
            _ => {
                if !self.step() && !self.ask() {
                    self.pass_time();
                }
            }
        }
    }

    /// The time of the next timer comes.
    fn pass_time(&mut self) {
        if let Some(due) = self.next_due() {
            self.now = self.now.max(due);
            self.tell(|| "time passes".to_owned());
            self.ring();
        }
    }

    fn evict(&mut self) {
        if !self.memory.idle.is_empty() {
            let which = self.below(self.memory.idle.len());
            let number = self.memory.idle.swap_remove(which);
            self.tell(|| format!("{}#{number}: evict", self.memory.instances[number].id));
            self.tell_instance(number, instance::Input::Evict);
        }
    }

    /// The worker stops; what is under way goes on for a while.
    fn stop(&mut self) {
        if std::mem::replace(&mut self.memory.stopped, true) {
            return;
        }
        self.tell(|| "stop".to_owned());
        let why = || RuntimeError::new(ErrorKind::ShuttingDown, "the worker stops");
        let instances: Vec<_> = self.memory.instances_by_id.values().copied().collect();
        instances.into_iter().for_each(|number| self.tell_instance(number, instance::Input::Stop(why())));
        let entities: Vec<_> = self.memory.entities_by_id.values().copied().collect();
        entities.into_iter().for_each(|number| self.step_entity(number, entity::Input::Stop(why())));
    }

    /// Lets everything come to its end.
    fn end(&mut self) {
        for _ in 0..ROUNDS {
            self.settle();
            let unfinished: Vec<_> = self.unfinished().map(|instance| instance.id.clone()).collect();
            if unfinished.is_empty() {
                if self.mend_books() {
                    continue;
                }
                self.check();
                // What waited for a run that was ended while it was set aside is looked at by the next process.
                self.crash();
                self.settle();
                assert!(self.store.inbox.is_empty(), "messages are left over: {:?}", self.store.inbox);
                return;
            }
            let mut has_mended = self.mend_books();
            for id in &unfinished {
                has_mended |= self.mend(id);
            }
            assert!(has_mended, "what is unfinished waits for nothing: {}", self.waiting());
        }
        panic!("these do not end: {}", self.waiting());
    }

    /// Runs until nothing happens any more, and all timers have fired.
    fn settle(&mut self) {
        loop {
            while self.step() {
                self.hear();
                assert!(self.steps < MOST_STEPS, "something goes on for ever: {}", self.waiting());
            }
            assert!(self.is_quiet(), "something is left to happen");
            if self.next_due().is_none() {
                return;
            }
            self.pass_time();
        }
    }

    fn unfinished(&self) -> impl Iterator<Item = &Instance> {
        let instances = self.store.instances.values().map(|stored| &stored.instance);
        instances.filter(|instance| !is_entity(&instance.id) && !instance.state.status.is_terminal())
    }

    fn waiting(&self) -> String {
        let waiting = self.unfinished().map(|instance| format!("\n  {} ({}) {:?}", instance.id, instance.name, instance.state));
        waiting.collect::<Vec<_>>().concat()
    }

    /// Does what a run waits for from outside. Whether there is something.
    fn mend(&mut self, id: &str) -> bool {
        let Some(Instance { state, name, .. }) = self.store.find(id).map(|found| &found.instance) else { return false };
        let (status, report, name) = (state.status, state.report.clone(), name.clone());
        if let Some(report) = report {
            assert!(report.starts_with(REFUSED), "`{id}` is parked: {report}");
        }
        let id: Arc<str> = id.into();
        // Of a turn that the store has refused for good nothing is in memory any more.
        if self.memory.unloaded.remove(&id) {
            self.wake(&id);
            return true;
        }
        match status {
            Status::Suspended => self.ask_reason("resume", &id),
            _ if hears(&name) => self.ask_raise(&id),
            _ => return false,
        }
        true
    }

    /// Asks the entities for something that are not in memory and have something to do when they are read: the store has refused a turn of
    /// it, or the holder of its lock has ended meanwhile. Whether there are such.
    fn mend_books(&mut self) -> bool {
        let waits = self.store.inbox.values().map(|message| &message.id).filter(|id| is_entity(id));
        let locked = self.store.instances.values().filter(|stored| stored.lock().is_some()).map(|stored| &stored.instance.id);
        let mut books = waits.chain(locked);
        let book = books.find(|id| !self.memory.entities_by_id.contains_key(id.as_str())).cloned();
        book.is_some_and(|book| {
            self.ask_signal(&book.into());
            true
        })
    }

    /// What is true when everything has ended.
    fn check(&mut self) {
        self.hear();
        if let Err(what) = self.clients.all_answered() {
            panic!("nobody has answered: {what}");
        }
        let ledger = &self.store.ledger;
        let lost = ledger.sent.difference(&ledger.written).next();
        assert!(lost.is_none(), "`{}` was sent to a book and is not in it", lost.map_or("", String::as_str));
        for stored in self.store.instances.values() {
            let id = &stored.instance.id;
            assert!(stored.heartbeats.is_empty(), "heartbeats of `{id}` are left over");
            assert!(stored.lock().is_none(), "`{id}` is locked, and everything has ended: {:?}", stored.lock());
        }
        if let Some(places) = self.places {
            assert_eq!(self.memory.free, places, "places are taken, and everything has ended");
        }
        assert!(self.memory.clock.is_empty(), "timers of `{:?}` are left over", self.memory.clock);
    }
}
