//! A model of a store in plain maps. It applies batches as every store does, and tells the ledger of each.

use std::collections::{BTreeMap, HashMap};

use crate::kernel::batch::{Append, Applied, Batch, Heartbeat, NewInstance};
use crate::kernel::engine::event::{EntityLock, Event, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id::is_entity;
use crate::kernel::machine::simulation::ledger::Ledger;
use crate::kernel::stored::{Instance, InstanceKey, Status, StoreResult, Stored, StoredMessage};

#[derive(Default)]
pub(super) struct Store {
    pub(super) instances: BTreeMap<InstanceKey, Stored>,
    ids: HashMap<String, InstanceKey>,
    pub(super) inbox: BTreeMap<i64, StoredMessage>,
    last_key: InstanceKey,
    last_message: i64,
    /// What was applied so far, for the checks.
    pub(super) ledger: Ledger,
}

impl Stored {
    /// The critical section that an entity is in.
    pub(super) fn lock(&self) -> Option<&EntityLock> {
        match self.history.last()?.events.last()? {
            Event::EntityState { lock, .. } => lock.as_ref(),
            _ => None,
        }
    }
}

impl Store {
    pub(super) fn find(&self, id: &str) -> Option<&Stored> {
        self.instances.get(self.ids.get(id)?)
    }

    pub(super) fn messages(&self, key: InstanceKey) -> Vec<StoredMessage> {
        self.inbox.values().filter(|message| message.instance == key).cloned().collect()
    }

    /// The ids of all that a restarted worker has something to do for, or of those of them that have not begun.
    pub(super) fn busy(&self, new_only: bool) -> Vec<String> {
        let busy = self.instances.values().map(|stored| &stored.instance).filter(|instance| instance.state.busy);
        let busy = busy.filter(|instance| !new_only || instance.state.status == Status::Pending);
        busy.map(|instance| instance.id.clone()).collect()
    }

    pub(super) fn next_wake(&self) -> Option<crate::kernel::time::Timestamp> {
        self.instances.values().filter_map(|stored| stored.instance.state.wake_at).min()
    }

    /// A root and those it has called, and so on; callers first.
    pub(super) fn family(&self, id: &str) -> Vec<InstanceKey> {
        let mut family: Vec<_> = self.find(id).map(|stored| stored.instance.key).into_iter().collect();
        let mut next = 0;
        while let Some(caller) = family.get(next).and_then(|key| self.instances.get(key)) {
            let is_called =
                |stored: &&Stored| stored.instance.parent.as_ref().is_some_and(|it| it.instance == caller.instance.id);
            family.extend(self.instances.values().filter(is_called).map(|stored| stored.instance.key));
            next += 1;
        }
        family
    }

    /// Applies a batch as a whole, or not at all.
    pub(super) fn apply(&mut self, batch: &Batch) -> StoreResult<Applied> {
        self.check(batch)?;
        let purged = batch.purge.iter().filter(|key| self.purge(**key)).count();
        let created = batch.create.clone().map(|new| self.create(new));
        let children = batch.children.iter().cloned();
        let children = children.map(|new| (!self.ids.contains_key(&new.id)).then(|| self.create(new))).collect();
        if let Some(Append { instance, turn, .. }) = &batch.append
            && let Some(stored) = self.instances.get_mut(instance)
        {
            stored.instance.updated_at = turn.at;
            let before = stored.history.clone();
            if let Some(name) = &batch.continues {
                stored.instance.name.clone_from(name);
                stored.history.clear();
            }
            stored.history.push(turn.clone());
            self.record(*instance, &before, turn);
        }
        if let Some(update) = &batch.update
            && let Some(stored) = self.instances.get_mut(&update.instance)
        {
            stored.instance.state = update.state.clone();
            if stored.instance.state.status.is_terminal() {
                stored.heartbeats.clear();
            }
        }
        batch.post.iter().for_each(|(key, event)| self.post(*key, event));
        for Heartbeat { instance, call, details } in &batch.heartbeats {
            let Some(stored) = self.instances.get_mut(instance) else { continue };
            match details.as_ref().filter(|_| !stored.instance.state.status.is_terminal()) {
                Some(details) => drop(stored.heartbeats.insert(*call, details.clone())),
                None => drop(stored.heartbeats.remove(call)),
            }
        }
        for (id, event) in &batch.tell {
            let unfinished = self.find(id).filter(|stored| !stored.instance.state.status.is_terminal());
            if let Some(key) = unfinished.map(|stored| stored.instance.key) {
                self.post(key, event);
            }
        }
        for number in &batch.consume {
            if let Some(message) = self.inbox.remove(number) {
                let is_over = |stored: &Stored| stored.instance.state.status.is_terminal();
                let is_over = self.instances.get(&message.instance).is_none_or(is_over);
                self.ledger.consumed(&message, is_over, batch);
            }
        }
        Ok(Applied { created, children, purged })
    }

    fn check(&self, batch: &Batch) -> StoreResult<()> {
        batch.purge.iter().try_for_each(|key| self.check_purge(*key))?;
        if let Some(new) = &batch.create
            && self.ids.get(&new.id).is_some_and(|key| !batch.purge.contains(key))
        {
            return Err(RuntimeError::new(ErrorKind::AlreadyExists, format!("`{}` exists", new.id)));
        }
        if let Some(append) = &batch.append {
            let turns = self.instances.get(&append.instance).map_or(0, |stored| stored.history.len());
            if turns == 0 || append.number as usize != turns + 1 {
                let message = format!("turn {} of {} follows {turns}", append.number, append.instance);
                return Err(RuntimeError::new(ErrorKind::Invalid, message));
            }
        }
        match batch.post.iter().find(|(key, _)| !self.instances.contains_key(key)) {
            Some((key, _)) => Err(RuntimeError::new(ErrorKind::NotFound, format!("there is no instance {key}"))),
            None => Ok(()),
        }
    }

    fn check_purge(&self, key: InstanceKey) -> StoreResult<()> {
        let Some(purged) = self.instances.get(&key).map(|stored| &stored.instance) else { return Ok(()) };
        let unfinished = |id: &str| Err(RuntimeError::new(ErrorKind::Unfinished, format!("`{id}` has not finished")));
        if is_entity(&purged.id) {
            return if self.messages(key).is_empty() { Ok(()) } else { unfinished(&purged.id) };
        }
        let parent = |instance: &Instance| instance.parent.as_ref().map(|parent| parent.instance.clone());
        let mut concerned = self.instances.values().map(|stored| &stored.instance).filter(|other| {
            other.key == key || parent(purged).is_some_and(|id| id == other.id) || parent(other).is_some_and(|id| id == purged.id)
        });
        concerned.find(|other| !other.state.status.is_terminal()).map_or(Ok(()), |living| unfinished(&living.id))
    }

    fn purge(&mut self, key: InstanceKey) -> bool {
        let Some(purged) = self.instances.remove(&key) else { return false };
        let id = purged.instance.id;
        self.ids.remove(&id);
        self.inbox.retain(|_, message| message.instance != key);
        for stored in self.instances.values_mut() {
            stored.instance.parent.take_if(|parent| parent.instance == id);
        }
        true
    }

    fn create(&mut self, new: NewInstance) -> InstanceKey {
        self.last_key += 1;
        let key = self.last_key;
        self.ids.insert(new.id.clone(), key);
        let NewInstance { id, name, parent, created_at, turn, state, tags } = new;
        let instance = Instance { key, id, name, parent, created_at, updated_at: turn.at, state, tags };
        let history = vec![turn.clone()];
        self.instances.insert(key, Stored { instance, history, heartbeats: BTreeMap::new(), unreadable: None });
        self.record(key, &[], &turn);
        key
    }

    fn post(&mut self, instance: InstanceKey, event: &Event) {
        self.last_message += 1;
        let number = self.last_message;
        let id = self.instances.get(&instance).map_or_else(String::new, |stored| stored.instance.id.clone());
        self.ledger.posted(event);
        self.inbox.insert(number, StoredMessage { number, instance, id, event: Ok(event.clone()) });
    }

    fn record(&mut self, key: InstanceKey, before: &[Turn], turn: &Turn) {
        let Some(Stored { instance, history, .. }) = self.instances.get(&key) else { return };
        if is_entity(&instance.id) {
            self.ledger.entity(&instance.id, before, turn);
            return;
        }
        let earlier: Vec<&Event> = history[..history.len() - 1].iter().flat_map(|turn| &turn.events).collect();
        self.ledger.turn(instance, before, &earlier, turn, |id| {
            let child = self.ids.get(id).and_then(|key| self.instances.get(key))?;
            let outcome = child.history.last().and_then(|turn| turn.events.last()).and_then(Event::outcome);
            Some((child.instance.parent.clone(), outcome))
        });
    }
}
