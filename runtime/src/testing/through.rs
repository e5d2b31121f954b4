//! A store with a test between it and whoever asks it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

use crate::kernel::error::RuntimeError;
use crate::store::{
    Batch, Census, End, Epoch, Instance, InstanceKey, Lookup, MemoryStore, Messages, ProcessKind, Query, Registered, Reply,
    Runnable, Status, Store, StoreResult, Stored, StoredMessage, Timestamp, Turn,
};

/// What a test does with what passes: everything goes on as it is unless a method says otherwise.
pub trait Between: Send + Sync + 'static {
    /// A batch comes on its way to the store.
    fn apply(self: Arc<Self>, store: &dyn Store, batch: Batch, reply: Reply) {
        store.apply(batch, reply);
    }

    /// Something was read, and goes on when this is done.
    fn read(&self, what: Read) -> BoxFuture<'_, ()> {
        let _ = what;
        ready(()).boxed()
    }

    /// Why a read fails, if it does.
    fn fails(&self, what: Read) -> Option<RuntimeError> {
        let _ = what;
        None
    }
}

/// What is read of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Read {
    /// [`Store::registered`].
    Registered,
    /// [`Store::find`].
    Instance,
    /// [`Store::load`].
    History,
    /// [`Store::turn`].
    Turn,
    /// [`Store::query`].
    List,
    /// [`Store::counts`].
    Counts,
    /// [`Store::ended`].
    Ended,
    /// [`Store::runnable`].
    Runnable,
    /// [`Store::census`].
    Census,
    /// [`Store::next_wake`].
    NextWake,
    /// [`Store::waiting`] and [`Store::messages`].
    Messages,
    /// [`Store::out_of_line`].
    OutOfLine,
}

/// The store: it passes everything on to `inner`. Its clones are the same one if those of `inner` are.
#[derive(Default)]
pub struct Through<B, S = MemoryStore> {
    /// The store behind it.
    pub inner: S,
    /// The test.
    pub between: Arc<B>,
}

impl<B, S: Clone> Clone for Through<B, S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), between: self.between.clone() }
    }
}

impl<B: Between, S: Store> Through<B, S> {
    fn read<'a, T: Send + 'a>(&'a self, what: Read, read: BoxFuture<'a, StoreResult<T>>) -> BoxFuture<'a, StoreResult<T>> {
        async move {
            if let Some(error) = self.between.fails(what) {
                return Err(error);
            }
            let found = read.await;
            self.between.read(what).await;
            found
        }
        .boxed()
    }
}

impl<B: Between, S: Store> Store for Through<B, S> {
    fn apply(&self, batch: Batch, reply: Reply) {
        self.between.clone().apply(&self.inner, batch, reply);
    }

    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        self.inner.claim(wait, registered)
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.read(Read::Registered, self.inner.registered())
    }

    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>> {
        self.read(Read::History, self.inner.load(which))
    }

    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>> {
        self.read(Read::Instance, self.inner.find(which))
    }

    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>> {
        self.read(Read::Turn, self.inner.turn(instance, end))
    }

    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>> {
        self.read(Read::List, self.inner.query(query))
    }

    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>> {
        self.read(Read::Counts, self.inner.counts())
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        self.read(Read::Ended, self.inner.ended(status, limit))
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.read(Read::Runnable, self.inner.runnable(which))
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.read(Read::Census, self.inner.census())
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.read(Read::NextWake, self.inner.next_wake())
    }

    fn waiting(&self) -> BoxFuture<'_, StoreResult<Vec<i64>>> {
        self.read(Read::Messages, self.inner.waiting())
    }

    fn messages(&self, which: Messages) -> BoxFuture<'_, StoreResult<Vec<StoredMessage>>> {
        self.read(Read::Messages, self.inner.messages(which))
    }

    fn out_of_line(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.read(Read::OutOfLine, self.inner.out_of_line(keys))
    }

    fn listen(&self, kind: ProcessKind, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        self.inner.listen(kind, listener)
    }

    fn journal(&self) -> Option<PathBuf> {
        self.inner.journal()
    }

    fn close(&self) -> BoxFuture<'_, StoreResult<()>> {
        self.inner.close()
    }
}
