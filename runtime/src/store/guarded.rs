//! A store of the user's behind the barrier: a panic of it is an error of whoever asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::kernel::barrier::{self, Guarded};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::Failure;
use crate::store::{
    Batch, Census, End, Epoch, ErrorClass, Instance, InstanceKey, Lookup, Messages, ProcessKind, Query, Refused, Registered,
    Reply, Runnable, Status, Store, StoreResult, Stored, StoredMessage, Timestamp, Turn,
};

/// The store and its barrier.
pub(crate) struct GuardedStore(pub(crate) Arc<dyn Store>);

impl GuardedStore {
    fn ask<'s, T: Send + 's>(
        &'s self,
        ask: impl FnOnce(&'s dyn Store) -> BoxFuture<'s, StoreResult<T>> + Send + 's,
    ) -> BoxFuture<'s, StoreResult<T>> {
        let asked = Guarded::new("a store", async move { ask(&*self.0).await });
        asked.map(|answer| answer.unwrap_or_else(|panic| Err(panicked(&panic)))).boxed()
    }
}

/// The next try would panic again, and nobody knows how far this one came.
fn panicked(panic: &Failure) -> RuntimeError {
    let message = format!("the store panicked: {}", panic.message());
    RuntimeError::new(ErrorKind::Store, message).with_class(ErrorClass::Permanent)
}

/// The answer to a batch. A store that panics, or forgets about it, drops it.
struct Answer(Option<Reply>);

impl Answer {
    fn refuse(&mut self, error: RuntimeError) {
        if let Some(reply) = self.0.take() {
            reply(Err(Box::new(Refused { error, batch: Batch::default() })));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let message = match std::thread::panicking() {
            true => "the store panicked before it answered",
            false => "the store dropped a batch without an answer",
        };
        self.refuse(RuntimeError::new(ErrorKind::Store, message).with_class(ErrorClass::Permanent));
    }
}

impl Store for GuardedStore {
    fn apply(&self, batch: Batch, reply: Reply) {
        let mut answer = Answer(Some(reply));
        let reply: Reply = Box::new(move |result| {
            if let Some(reply) = answer.0.take() {
                reply(result);
            }
        });
        let applied = barrier::run(|| self.0.apply(batch, reply));
        if let Err(panic) = applied {
            tracing::error!(error = %panicked(&panic), "a batch may not have been written");
        }
    }

    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        self.ask(move |store| store.claim(wait, registered))
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.ask(|store| store.registered())
    }

    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>> {
        self.ask(|store| store.load(which))
    }

    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>> {
        self.ask(|store| store.find(which))
    }

    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>> {
        self.ask(move |store| store.turn(instance, end))
    }

    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>> {
        self.ask(|store| store.query(query))
    }

    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>> {
        self.ask(|store| store.counts())
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        self.ask(move |store| store.ended(status, limit))
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.ask(move |store| store.runnable(which))
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.ask(|store| store.census())
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.ask(|store| store.next_wake())
    }

    fn waiting(&self) -> BoxFuture<'_, StoreResult<Vec<i64>>> {
        self.ask(|store| store.waiting())
    }

    fn messages(&self, which: Messages) -> BoxFuture<'_, StoreResult<Vec<StoredMessage>>> {
        self.ask(|store| store.messages(which))
    }

    fn out_of_line(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.ask(|store| store.out_of_line(keys))
    }

    fn listen(&self, kind: ProcessKind, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        barrier::run(|| self.0.listen(kind, listener)).unwrap_or_else(|panic| Err(panicked(&panic)))
    }

    fn journal(&self) -> Option<PathBuf> {
        barrier::run(|| self.0.journal()).ok().flatten()
    }

    fn close(&self) -> BoxFuture<'_, StoreResult<()>> {
        self.ask(|store| store.close())
    }
}
