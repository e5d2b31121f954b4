//! A store that forgets: for tests, and for runs that need not survive the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id;
use crate::lock::{Held, Lock};
use crate::store::{
    Append, Applied, Batch, Census, End, Epoch, Event, Heartbeat, Instance, InstanceKey, Lookup, Messages, NewInstance,
    OutOfLine, Owner, ProcessKind, Query, Refused, Registered, Reply, Runnable, Status, Store, StoreResult, Stored,
    StoredMessage, Timestamp, Turn, already_exists, fenced, out_of_order, unfinished,
};

/// Keeps everything in memory, with the promises of every store but the durable one.
///
/// Clones share their content.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Lock<Inner>>,
}

#[derive(Default)]
struct Inner {
    epoch: i64,
    registered: Vec<Registered>,
    last_key: InstanceKey,
    last_message: i64,
    ids: HashMap<String, InstanceKey>,
    instances: BTreeMap<InstanceKey, Stored>,
    inbox: BTreeMap<i64, StoredMessage>,
    /// By their keys, each with the instance it belongs to.
    out_of_line: BTreeMap<i64, (InstanceKey, Vec<u8>)>,
    listeners: Vec<(ProcessKind, Arc<dyn Fn() + Send + Sync>)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> Held<'_, Inner> {
        self.inner.lock()
    }

    fn answer<T: Send + 'static>(&self, read: impl FnOnce(&Inner) -> T) -> BoxFuture<'_, StoreResult<T>> {
        ready(Ok(read(&self.lock()))).boxed()
    }
}

impl Inner {
    fn get(&self, which: &Lookup) -> Option<&Stored> {
        let key = match which {
            Lookup::Key(key) => key,
            Lookup::Id(id) => self.ids.get(id)?,
        };
        self.instances.get(key)
    }

    fn check(&self, batch: &Batch) -> StoreResult<()> {
        if batch.epoch.is_some_and(|epoch| epoch.0 != self.epoch) {
            return Err(fenced());
        }
        for key in &batch.purge {
            self.check_purge(*key)?;
        }
        if let Some(new) = &batch.create
            && self.ids.get(&new.id).is_some_and(|key| !batch.purge.contains(key))
        {
            return Err(already_exists(&new.id));
        }
        if let Some(append) = &batch.append {
            self.check_order(append)?;
        }
        if let Some((unknown, _)) = batch.post.iter().find(|(key, _)| !self.instances.contains_key(key)) {
            return Err(RuntimeError::new(ErrorKind::NotFound, format!("there is no instance {unknown}")));
        }
        Ok(())
    }

    fn apply(&mut self, batch: Batch) -> Applied {
        let purged = batch.purge.into_iter().filter(|key| self.purge(*key)).count();
        let created = batch.create.map(|new| self.create(new));
        let appended = batch.append.as_ref().map(|append| append.instance);
        let children: Vec<_> =
            batch.children.into_iter().map(|new| (!self.ids.contains_key(&new.id)).then(|| self.create(new))).collect();
        if let Some(Append { instance, turn, .. }) = batch.append
            && let Some(stored) = self.instances.get_mut(&instance)
        {
            stored.instance.updated_at = turn.at;
            if let Some(name) = batch.continues {
                stored.instance.name = name;
                stored.history.clear();
                self.out_of_line.retain(|_, (owner, _)| *owner != instance);
            }
            stored.history.push(turn);
        }
        for OutOfLine { owner, key, content } in batch.out_of_line {
            let owner = match owner {
                Owner::Created => created,
                Owner::Child(index) => children.get(index).copied().flatten(),
                Owner::Appended => appended,
            };
            self.out_of_line.extend(owner.map(|owner| (key, (owner, content))));
        }
        if let Some(update) = batch.update
            && let Some(stored) = self.instances.get_mut(&update.instance)
        {
            stored.instance.state = update.state;
            if stored.instance.state.status.is_terminal() {
                stored.heartbeats.clear();
            }
        }
        for (instance, event) in batch.post {
            self.post(instance, event);
        }
        for Heartbeat { instance, call, details } in batch.heartbeats {
            let Some(stored) = self.instances.get_mut(&instance) else { continue };
            match details.filter(|_| !stored.instance.state.status.is_terminal()) {
                Some(details) => drop(stored.heartbeats.insert(call, details)),
                None => drop(stored.heartbeats.remove(&call)),
            }
        }
        for (id, event) in batch.tell {
            let unfinished = self.get(&Lookup::Id(id)).filter(|stored| !stored.instance.state.status.is_terminal());
            if let Some(key) = unfinished.map(|stored| stored.instance.key) {
                self.post(key, event);
            }
        }
        for number in batch.consume {
            self.inbox.remove(&number);
        }
        Applied { created, children, purged }
    }

    fn post(&mut self, instance: InstanceKey, event: Event) {
        self.last_message += 1;
        let number = self.last_message;
        let id = self.instances.get(&instance).map_or_else(String::new, |stored| stored.instance.id.clone());
        self.inbox.insert(number, StoredMessage { number, instance, id, event: Ok(event) });
    }

    fn check_purge(&self, key: InstanceKey) -> StoreResult<()> {
        let Some(purged) = self.instances.get(&key) else { return Ok(()) };
        if instance_id::is_entity(&purged.instance.id) {
            let waits = self.inbox.values().any(|message| message.instance == key);
            return if waits { Err(unfinished(&purged.instance.id)) } else { Ok(()) };
        }
        let parent = |stored: &Stored| stored.instance.parent.as_ref().map(|parent| parent.instance.clone());
        let is_caller = |stored: &Stored| parent(purged).is_some_and(|id| id == stored.instance.id);
        let is_called = |stored: &Stored| parent(stored).is_some_and(|id| id == purged.instance.id);
        let mut concerned =
            self.instances.iter().filter(|(other, stored)| **other == key || is_caller(stored) || is_called(stored));
        match concerned.find(|(_, stored)| !stored.instance.state.status.is_terminal()) {
            Some((_, living)) => Err(unfinished(&living.instance.id)),
            None => Ok(()),
        }
    }

    /// Deletes an instance, if it is there. Those it has called stay, as if a client had started them.
    fn purge(&mut self, key: InstanceKey) -> bool {
        let Some(purged) = self.instances.remove(&key) else { return false };
        let id = purged.instance.id;
        self.ids.remove(&id);
        self.inbox.retain(|_, message| message.instance != key);
        self.out_of_line.retain(|_, (owner, _)| *owner != key);
        for stored in self.instances.values_mut() {
            stored.instance.parent.take_if(|parent| parent.instance == id);
        }
        true
    }

    fn check_order(&self, append: &Append) -> StoreResult<()> {
        let turns = self.instances.get(&append.instance).map_or(0, |stored| stored.history.len());
        if turns == 0 || append.number as usize != turns + 1 { Err(out_of_order(append)) } else { Ok(()) }
    }

    fn create(&mut self, new: NewInstance) -> InstanceKey {
        self.last_key += 1;
        let key = self.last_key;
        self.ids.insert(new.id.clone(), key);
        let instance = Instance {
            key,
            id: new.id,
            name: new.name,
            parent: new.parent,
            created_at: new.created_at,
            updated_at: new.turn.at,
            state: new.state,
            tags: new.tags,
        };
        self.instances.insert(key, Stored { instance, history: vec![new.turn], heartbeats: BTreeMap::new(), unreadable: None });
        key
    }
}

impl Store for MemoryStore {
    fn claim(&self, _wait: bool, mut registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        registered.sort_unstable();
        let mut inner = self.lock();
        inner.registered = registered;
        inner.epoch += 1;
        ready(Ok(Epoch(inner.epoch))).boxed()
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.answer(|inner| inner.registered.clone())
    }

    fn apply(&self, batch: Batch, reply: Reply) {
        let kind = if batch.epoch.is_some() { ProcessKind::Client } else { ProcessKind::Worker };
        let mut inner = self.lock();
        let result = match inner.check(&batch) {
            Ok(()) => Ok(inner.apply(batch)),
            Err(error) => Err(Box::new(Refused { error, batch })),
        };
        let listeners: Vec<_> =
            inner.listeners.iter().filter(|(listens, _)| *listens == kind).map(|(_, listener)| listener.clone()).collect();
        drop(inner);
        reply(result);
        listeners.iter().for_each(|listener| listener());
    }

    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>> {
        self.answer(|inner| inner.get(&which).cloned())
    }

    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>> {
        self.answer(|inner| inner.get(&which).map(|stored| stored.instance.clone()))
    }

    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>> {
        self.answer(|inner| {
            let history = &inner.instances.get(&instance)?.history;
            match end {
                End::First => history.first().cloned(),
                End::Last => history.last().cloned(),
            }
        })
    }

    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>> {
        self.answer(|inner| {
            let all = inner.instances.values().map(|stored| &stored.instance).filter(|instance| query.matches(instance));
            let mut found: Vec<_> = match (&query.id_prefix, &query.after) {
                (_, None) => all.collect(),
                (Some(_), Some(after)) => all.filter(|instance| instance.id > after.id).collect(),
                (None, Some(after)) => all.filter(|instance| instance.key < after.key).collect(),
            };
            match query.id_prefix {
                Some(_) => found.sort_unstable_by(|a, b| a.id.cmp(&b.id)),
                None => found.reverse(),
            }
            found.into_iter().take(query.limit).cloned().collect()
        })
    }

    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>> {
        self.answer(|inner| {
            let mut counts = BTreeMap::new();
            for stored in inner.instances.values().filter(|stored| !instance_id::is_entity(&stored.instance.id)) {
                *counts.entry(stored.instance.state.status).or_default() += 1;
            }
            counts
        })
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        self.answer(|inner| {
            let instances = inner.instances.values().map(|stored| &stored.instance);
            let ended = instances.filter(|instance| instance.state.status == status && instance.parent.is_none());
            let mut ended: Vec<_> = ended.map(|instance| (instance.key, instance.updated_at)).collect();
            ended.sort_unstable_by_key(|(_, at)| *at);
            ended.truncate(limit);
            ended
        })
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.answer(|inner| {
            let instances = inner.instances.values().map(|stored| &stored.instance);
            let named = |instance: &Instance| (instance.key, instance.id.clone());
            match which {
                Runnable::New { limit } => {
                    let is_new = |it: &&Instance| it.state.busy && it.state.status == Status::Pending;
                    instances.filter(is_new).take(limit).map(named).collect()
                }
                Runnable::Busy { after, limit } => {
                    let mut busy: Vec<_> = instances.filter(|it| it.state.busy && it.key > after).map(named).collect();
                    busy.sort_unstable();
                    busy.truncate(limit);
                    busy
                }
                Runnable::Due { now, limit } => {
                    let mut due: Vec<_> = instances.filter(|it| it.state.wake_at.is_some_and(|at| at <= now)).collect();
                    due.sort_by_key(|instance| instance.state.wake_at);
                    due.into_iter().take(limit).map(named).collect()
                }
            }
        })
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.answer(|inner| {
            let mut counts = BTreeMap::new();
            for stored in inner.instances.values().filter(|stored| !stored.instance.state.status.is_terminal()) {
                for event in stored.history.first().into_iter().flat_map(|turn| &turn.events) {
                    if let Event::ExecutionStarted { name, version, shape, .. } = event {
                        *counts.entry((name.clone(), *version, *shape)).or_default() += 1;
                    }
                }
            }
            counts.into_iter().map(|((name, version, shape), instances)| Census::new(name, version, shape, instances)).collect()
        })
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.answer(|inner| inner.instances.values().filter_map(|stored| stored.instance.state.wake_at).min())
    }

    fn waiting(&self) -> BoxFuture<'_, StoreResult<Vec<i64>>> {
        self.answer(|inner| {
            let is_aside = |key| inner.instances.get(&key).is_some_and(|stored: &Stored| stored.instance.state.is_aside());
            let is_request = |message: &StoredMessage| message.event.as_ref().is_ok_and(Event::is_request);
            let waiting = inner.inbox.values().filter(|message| is_request(message) || !is_aside(message.instance));
            waiting.map(|message| message.number).collect()
        })
    }

    fn messages(&self, which: Messages) -> BoxFuture<'_, StoreResult<Vec<StoredMessage>>> {
        self.answer(|inner| match which {
            Messages::All => inner.inbox.values().cloned().collect(),
            Messages::Of(key) => inner.inbox.values().filter(|message| message.instance == key).cloned().collect(),
            Messages::Numbered(numbers) => numbers.iter().filter_map(|number| inner.inbox.get(number)).cloned().collect(),
        })
    }

    fn out_of_line(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.answer(|inner| keys.iter().filter_map(|key| Some((*key, inner.out_of_line.get(key)?.1.clone()))).collect())
    }

    fn listen(&self, kind: ProcessKind, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        self.lock().listeners.push((kind, listener));
        Ok(())
    }

    fn close(&self) -> BoxFuture<'_, StoreResult<()>> {
        ready(Ok(())).boxed()
    }
}
