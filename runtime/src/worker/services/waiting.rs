//! Those who wait for an orchestration to begin or to end.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::kernel::engine::event::{Event, Parent};
use crate::kernel::function::Recorded;
use crate::kernel::machine::message::Message;
use crate::store::payload_store::PayloadStore;
use crate::store::{self, StoreResult};
use crate::worker::run::Run;
use crate::worker::shard::Shard;

impl Shard {
    /// Tells the caller of an orchestration, and everybody who waits, that it has ended.
    pub(crate) fn finished(self: &Arc<Self>, id: &Arc<str>, key: store::InstanceKey, parent: Option<Parent>, outcome: Recorded) {
        if let Some(ended) = &self.retained {
            ended.notify();
        }
        let waiters = self.waiters.lock().remove(id).unwrap_or_default();
        let (told, left): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|waiter| waiter.run.is_none_or(|run| run == key));
        if !left.is_empty() {
            self.waiters.lock().entry(id.clone()).or_default().extend(left);
        }
        for waiter in told {
            let _ = waiter.ended.send(outcome.clone());
        }
        if let Some(parent) = parent {
            let ended = Some(key);
            self.route(&parent.instance.into(), Message { ended, ..Message::of(Event::for_parent(parent.id, outcome)) });
        }
    }

    /// Waits for the end of a run.
    pub(crate) async fn wait(self: &Arc<Self>, run: &Run) -> StoreResult<Recorded> {
        let id: Arc<str> = run.id.as_str().into();
        loop {
            let (waiter, ended) = oneshot::channel();
            self.waiters.lock().entry(id.clone()).or_default().push(Waiter { run: run.key, ended: waiter });
            let mut wait = Wait { shard: self, id: id.clone(), ended };
            self.check_running()?;
            // An instance leaves the map before its waiters are told, so one that is in it tells this waiter, too.
            let loaded = self.residents.instances.get(&id);
            let is_loaded = loaded.is_some_and(|loaded| run.key.is_none_or(|key| loaded.key() == key));
            if !is_loaded {
                let read = self.patiently("read the result of an orchestration", || outcome_of(&self.store, run));
                if let Some(outcome) = read.await? {
                    return Ok(outcome);
                }
            }
            if let Ok(outcome) = (&mut wait.ended).await {
                return Ok(outcome);
            }
        }
    }

    /// Waits for the first turn of an instance.
    pub(crate) async fn wait_started(&self, id: &str, look: impl Future<Output = StoreResult<Option<()>>>) -> StoreResult<()> {
        let (waiter, started) = oneshot::channel();
        {
            let mut starts = self.starts.lock();
            let waiters = starts.entry(id.into()).or_default();
            waiters.retain(|waiter| !waiter.is_closed());
            waiters.push(waiter);
        }
        self.check_running()?;
        if look.await?.is_some() {
            return Ok(());
        }
        started.await.map_err(|_| self.stopped_by())
    }

    /// Tells everybody who waits for it that an instance has begun, or will not begin any more.
    pub(crate) fn begun(&self, id: &str) {
        for waiter in self.starts.lock().remove(id).into_iter().flatten() {
            let _ = waiter.send(());
        }
    }
}

/// Who is told of the end of an instance.
pub(crate) struct Waiter {
    /// The run meant; without it whichever has the id.
    run: Option<store::InstanceKey>,
    ended: oneshot::Sender<Recorded>,
}

/// One who waits for the end of an instance, until it is told or gives up.
struct Wait<'w> {
    shard: &'w Shard,
    id: Arc<str>,
    ended: oneshot::Receiver<Recorded>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.ended.close();
        let mut waiters = self.shard.waiters.lock();
        if let Some(waiting) = waiters.get_mut(&self.id) {
            waiting.retain(|waiter| !waiter.ended.is_closed());
            if waiting.is_empty() {
                waiters.remove(&self.id);
            }
        }
    }
}

/// The outcome of a run that has ended, read from the store.
pub(crate) async fn outcome_of(store: &PayloadStore, run: &Run) -> StoreResult<Option<Recorded>> {
    loop {
        let found = run.find(store).await?;
        if !found.state.status.is_terminal() {
            return Ok(None);
        }
        // One whose history has gone since is looked for again: it was purged, or another has its place.
        if let Some(last) = store.turn(found.key, store::End::Last).await? {
            return Ok(last.events.last().and_then(Event::outcome));
        }
    }
}
