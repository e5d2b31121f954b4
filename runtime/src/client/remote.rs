//! A client of a store whose worker is somewhere else, and how clients wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use tokio::sync::watch as notice;

use crate::client::{Backend, Client};
use crate::kernel::machine::answers::shutting_down;
use crate::store::payload_store::PayloadStore;
use crate::store::{ErrorClass, Payloads, ProcessKind, Store, StoreResult};
use crate::time::Time;

/// How soon a client of another process looks again after it heard of a write, and how often when it hears nothing.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A store whose worker is somewhere else.
pub(crate) struct Remote {
    pub(super) store: PayloadStore,
    pub(super) changed: notice::Receiver<()>,
    pub(super) time: Arc<dyn Time>,
}

impl Remote {
    pub(crate) fn new(store: Arc<dyn Store>, time: Arc<dyn Time>) -> StoreResult<Self> {
        let (change, changed) = notice::channel(());
        let store = PayloadStore::of_a_user(store, Payloads::default());
        store.listen(ProcessKind::Client, Arc::new(move || change.send_replace(())))?;
        Ok(Self { store, changed, time })
    }

    pub(super) fn with(&self, payloads: Payloads) -> Self {
        Self { store: self.store.with(payloads), changed: self.changed.clone(), time: self.time.clone() }
    }

    /// Looks whenever something was written, until there is an answer.
    pub(crate) async fn look_until<'a, T>(&'a self, look: impl Fn() -> BoxFuture<'a, StoreResult<Option<T>>>) -> StoreResult<T> {
        let mut changed = self.changed.clone();
        let mut pause = SHORTEST_PAUSE;
        loop {
            changed.mark_unchanged();
            match look().await {
                Ok(Some(found)) => return Ok(found),
                Err(error) if error.class() != ErrorClass::Passing => return Err(error),
                Err(error) => tracing::warn!(%error, "failed to read the store; retrying"),
                Ok(None) => {}
            }
            // A write is heard of a moment before it can be read, so one look at once is not enough.
            pause = match within(&*self.time, pause, changed.changed()).await {
                Some(heard) => heard.map(|()| SHORTEST_PAUSE).map_err(|_| shutting_down())?,
                None => (2 * pause).min(LONGEST_PAUSE),
            };
        }
    }
}

impl Client {
    /// The time by which it waits: that of the worker of this process, or the machine's.
    pub(crate) fn time(&self) -> Arc<dyn Time> {
        match &self.backend {
            Backend::Worker(worker) => worker.time().clone(),
            Backend::Store(remote) => remote.time.clone(),
        }
    }
}

/// What comes of `work`, if it does not take longer than `limit`.
pub(crate) async fn within<T>(time: &dyn Time, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), time.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
