//! A store in memory with a test between it and the runtime.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo::store::{
    Batch, End, Epoch, Instance, InstanceKey, Lookup, MemoryStore, Message, Query, Registered, Reply, Role, Runnable, Store,
    StoreResult, Stored, Timestamp, Turn,
};
use dacapo::{Census, RuntimeError, Status};
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

/// What a test does with what passes.
pub(crate) trait Between: Send + Sync + 'static {
    /// A batch comes on its way to the store.
    fn apply(self: Arc<Self>, store: &MemoryStore, batch: Batch, reply: Reply) {
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

#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(dead_code, reason = "not every test tells all of them apart")]
pub(crate) enum Read {
    Instance,
    History,
    Turn,
    List,
    Runnable,
    NextWake,
    Messages,
}

/// The store. Its clones are the same one.
#[derive(Default)]
pub(crate) struct Through<B> {
    pub(crate) inner: MemoryStore,
    pub(crate) between: Arc<B>,
}

impl<B> Clone for Through<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), between: self.between.clone() }
    }
}

impl<B: Between> Through<B> {
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

impl<B: Between> Store for Through<B> {
    fn apply(&self, batch: Batch, reply: Reply) {
        self.between.clone().apply(&self.inner, batch, reply);
    }

    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        self.inner.claim(wait, registered)
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.inner.registered()
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
        self.inner.counts()
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        self.inner.ended(status, limit)
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.read(Read::Runnable, self.inner.runnable(which))
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.inner.census()
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.read(Read::NextWake, self.inner.next_wake())
    }

    fn messages(&self, instance: Option<InstanceKey>, after: i64) -> BoxFuture<'_, StoreResult<Vec<Message>>> {
        self.read(Read::Messages, self.inner.messages(instance, after))
    }

    fn beside(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.inner.beside(keys)
    }

    fn listen(&self, role: Role, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        self.inner.listen(role, listener)
    }

    fn close(&self) -> BoxFuture<'_, StoreResult<()>> {
        self.inner.close()
    }
}
