//! A store that stops after a chosen commit, as the disk of a process that was killed does.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::lock::{Held, Lock, Order};
use crate::store::{Applied, Batch, Event, InstanceKey, MemoryStore, Reply, Store};
use crate::testing::through::{Between, Through};

/// The commits of a test, over all restarts of it.
pub(super) struct Commits(Lock<Log>);

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
        Self(Lock::new(Order::User, Log { crashes, ..Log::default() }))
    }

    fn lock(&self) -> Held<'_, Log> {
        self.0.lock()
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

/// A process between its runtime and the store. After a crash it writes nothing more and answers nothing more.
pub(super) struct Process {
    commits: Arc<Commits>,
    number: u64,
}

/// The store as the process that starts sees it.
pub(super) fn crashing(inner: MemoryStore, commits: Arc<Commits>) -> Through<Process> {
    let number = commits.lock().process;
    Through { inner, between: Arc::new(Process { commits, number }) }
}

impl Between for Process {
    fn apply(self: Arc<Self>, store: &dyn Store, batch: Batch, reply: Reply) {
        let mut log = self.commits.lock();
        if log.crashed || log.process != self.number {
            return;
        }
        let (sender, answer) = std::sync::mpsc::channel();
        store.apply(batch.clone(), Box::new(move |result| drop(sender.send(result))));
        let Ok(result) = answer.recv() else { return };
        if let Ok(applied) = &result
            && !is_empty(&batch)
        {
            log.record(batch, applied);
        }
        drop(log);
        // The last answer gets out, so that what it starts has run, and its outcome is lost.
        reply(result);
    }
}

fn is_empty(batch: &Batch) -> bool {
    batch.create.is_none()
        && batch.append.is_none()
        && batch.continues.is_none()
        && batch.update.is_none()
        && batch.children.is_empty()
        && batch.post.is_empty()
        && batch.consume.is_empty()
        && batch.purge.is_empty()
        && batch.heartbeats.is_empty()
        && batch.tell.is_empty()
}
