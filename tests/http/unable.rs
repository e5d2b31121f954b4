//! A store of one's own that cannot rewind.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo::http::Api;
use dacapo::store::{
    Batch, End, Epoch, Event, Instance, InstanceKey, Lookup, MemoryStore, Message, Query, Refused, Registered, Reply, Role,
    Runnable, Store, StoreResult, Stored, Timestamp, Turn,
};
use dacapo::{Census, ErrorKind, Runtime, RuntimeError, Status};
use futures::future::BoxFuture;

use crate::server::Server;

/// Appends to what has not ended only.
struct AppendOnly(MemoryStore);

impl Store for AppendOnly {
    fn apply(&self, batch: Batch, reply: Reply) {
        let rewinds = |turn: &Turn| turn.events.iter().any(|event| matches!(event, Event::ExecutionRewound { .. }));
        if batch.append.as_ref().is_some_and(|append| rewinds(&append.turn)) {
            let error = RuntimeError::new(ErrorKind::Unsupported, "this store cannot rewind; restart the run instead");
            return reply(Err(Box::new(Refused { error, batch })));
        }
        self.0.apply(batch, reply);
    }

    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        self.0.claim(wait, registered)
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.0.registered()
    }

    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>> {
        self.0.load(which)
    }

    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>> {
        self.0.find(which)
    }

    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>> {
        self.0.turn(instance, end)
    }

    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>> {
        self.0.query(query)
    }

    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>> {
        self.0.counts()
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        self.0.ended(status, limit)
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.0.runnable(which)
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.0.census()
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.0.next_wake()
    }

    fn messages(&self, instance: Option<InstanceKey>, after: i64) -> BoxFuture<'_, StoreResult<Vec<Message>>> {
        self.0.messages(instance, after)
    }

    fn beside(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.0.beside(keys)
    }

    fn listen(&self, role: Role, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        self.0.listen(role, listener)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }
}

#[tokio::test]
async fn a_rewind_in_a_store_that_cannot_is_501_and_changes_nothing() {
    let runtime = Runtime::with_store(AppendOnly(MemoryStore::new())).open().await.expect("it opens");
    let server = Server::on(runtime, |api| api, Api::router).await;
    server.post("/orchestrators/fails/f?timeout=20&pollingInterval=1", "\"why\"").await.expect(200);
    let before = server.client.history("f").await.expect("it is there");
    let refused = server.post("/instances/f/rewind?reason=again", "").await.expect(501).json();
    assert_eq!(refused, "this store cannot rewind; restart the run instead");
    assert_eq!(server.client.history("f").await.expect("it is there"), before);
    assert_eq!(server.get("/instances/f").await.expect(200).json()["runtimeStatus"], "Failed");
    let error = server.client.rewind("f", "again").await.expect_err("it cannot");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
