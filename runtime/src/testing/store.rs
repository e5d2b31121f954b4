//! A store that stops after a chosen commit, as the disk of a process that was killed does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

use crate::store::{
    Applied, Batch, Census, End, Epoch, Event, Instance, InstanceKey, Lookup, MemoryStore, Message, Query, Registered, Reply,
    Role, Runnable, Status, Store, StoreResult, Stored, Timestamp, Turn,
};

/// The commits of a test, over all restarts of it.
#[derive(Default)]
pub(super) struct Commits(Mutex<Log>);

#[derive(Default)]
struct Log {
    /// After which commits the process crashes, counted from 1.
    crashes: BTreeSet<usize>,
    /// Each commit in words.
    told: Vec<String>,
    ids: HashMap<InstanceKey, String>,
    /// How many processes have crashed.
    process: u64,
    crashed: bool,
    /// Whether crashes wait, because a request of several commits is under way.
    held: bool,
}

impl Commits {
    pub(super) fn crashing(crashes: BTreeSet<usize>) -> Self {
        Self(Mutex::new(Log { crashes, ..Log::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each commit in words.
    pub(super) fn told(&self) -> Vec<String> {
        self.lock().told.clone()
    }

    /// Whether the process counts as crashed.
    pub(super) fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// The next process starts.
    pub(super) fn revive(&self) {
        let mut log = self.lock();
        log.crashed = false;
        log.process += 1;
    }

    /// Puts crashes off, or lets them happen again.
    pub(super) fn hold(&self, held: bool) {
        let mut log = self.lock();
        log.held = held;
        log.crash_when_due();
    }
}

impl Log {
    fn record(&mut self, batch: Batch, applied: &Applied) {
        let created = batch.create.iter().map(|new| (applied.created, new));
        let children = applied.children.iter().copied().zip(&batch.children);
        self.ids.extend(created.chain(children).filter_map(|(key, new)| Some((key?, new.id.clone()))));
        let written = batch.create.map(|new| (new.id, new.turn.events));
        let appended =
            batch.append.map(|append| (self.ids.get(&append.instance).cloned().unwrap_or_default(), append.turn.events));
        self.told.push(match written.or(appended) {
            Some((id, events)) => format!("{} of `{id}`", events.iter().map(name).collect::<Vec<_>>().join(", ")),
            None => "a message or a change of status".to_owned(),
        });
        self.crash_when_due();
    }

    fn crash_when_due(&mut self) {
        let number = self.told.len();
        if !self.held && self.crashes.first().is_some_and(|at| *at <= number) {
            self.crashes.retain(|at| *at > number);
            self.crashed = true;
        }
    }
}

/// The name of an event, as the history has it.
pub(super) fn name(event: &Event) -> String {
    format!("{event:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// One process's view of a store. After a crash it writes nothing more and answers nothing more.
pub(super) struct CrashingStore {
    inner: MemoryStore,
    commits: Arc<Commits>,
    process: u64,
}

impl CrashingStore {
    pub(super) fn new(inner: MemoryStore, commits: Arc<Commits>) -> Self {
        let process = commits.lock().process;
        Self { inner, commits, process }
    }
}

impl Store for CrashingStore {
    fn apply(&self, batch: Batch, reply: Reply) {
        let mut log = self.commits.lock();
        if log.crashed || log.process != self.process {
            return;
        }
        let is_empty = batch.create.is_none()
            && batch.append.is_none()
            && batch.continues.is_none()
            && batch.update.is_none()
            && batch.children.is_empty()
            && batch.post.is_empty()
            && batch.consume.is_empty()
            && batch.purge.is_empty()
            && batch.heartbeats.is_empty()
            && batch.tell.is_empty();
        let (sender, answer) = std::sync::mpsc::channel();
        self.inner.apply(batch.clone(), Box::new(move |result| drop(sender.send(result))));
        let Ok(result) = answer.recv() else { return };
        if let Ok(applied) = &result
            && !is_empty
        {
            log.record(batch, applied);
        }
        drop(log);
        // The last answer gets out, so that what it starts has run, and its outcome is lost.
        reply(result);
    }

    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        self.inner.claim(wait, registered)
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.inner.registered()
    }

    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>> {
        self.inner.load(which)
    }

    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>> {
        self.inner.find(which)
    }

    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>> {
        self.inner.turn(instance, end)
    }

    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>> {
        self.inner.query(query)
    }

    fn beside(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.inner.beside(keys)
    }

    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>> {
        self.inner.counts()
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        self.inner.ended(status, limit)
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.inner.runnable(which)
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.inner.census()
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.inner.next_wake()
    }

    fn messages(&self, instance: Option<InstanceKey>, after: i64) -> BoxFuture<'_, StoreResult<Vec<Message>>> {
        self.inner.messages(instance, after)
    }

    fn listen(&self, role: Role, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        self.inner.listen(role, listener)
    }

    fn close(&self) -> BoxFuture<'_, StoreResult<()>> {
        self.inner.close()
    }
}
