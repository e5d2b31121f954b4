//! A store of one's own, which cannot rewind, counts how often it is asked, and takes its time with lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dacapo::http::Api;
use dacapo::store::{Batch, Event, MemoryStore, Refused, Reply, Store, Turn};
use dacapo::testing::through::{Between, Read, Through};
use dacapo::{Client, ErrorKind, Runtime, RuntimeError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::Barrier;

use crate::server::Server;

/// Appends to what has not ended only.
#[derive(Default)]
struct AppendOnly {
    asked: AtomicUsize,
    /// Met twice before a list is given: when it is read, and when it may go.
    list: Option<Arc<Barrier>>,
}

impl Between for AppendOnly {
    fn apply(self: Arc<Self>, store: &dyn Store, batch: Batch, reply: Reply) {
        let rewinds = |turn: &Turn| turn.events.iter().any(|event| matches!(event, Event::ExecutionRewound { .. }));
        if batch.append.as_ref().is_some_and(|append| rewinds(&append.turn)) {
            let error = RuntimeError::new(ErrorKind::Unsupported, "this store cannot rewind; restart the run instead");
            return reply(Err(Box::new(Refused::new(error, batch))));
        }
        store.apply(batch, reply);
    }

    fn read(&self, what: Read) -> BoxFuture<'_, ()> {
        self.asked.fetch_add(usize::from(what == Read::Instance), Ordering::SeqCst);
        async move {
            if let (Read::List, Some(list)) = (what, &self.list) {
                list.wait().await;
                list.wait().await;
            }
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_rewind_in_a_store_that_cannot_is_501_and_changes_nothing() {
    let runtime = Runtime::with_store(Through::<AppendOnly>::default()).open().await.expect("it opens");
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

#[tokio::test]
async fn a_list_has_nothing_that_was_not_asked_for() {
    let list = Arc::new(Barrier::new(2));
    let between = Arc::new(AppendOnly { list: Some(list.clone()), ..AppendOnly::default() });
    let store = Through { between, inner: MemoryStore::new() };
    let server = Server::on(Runtime::with_store(store).open().await.expect("it opens"), |api| api, Api::router).await;
    server.waiting("w").await;
    let ends_meanwhile = async {
        list.wait().await;
        for n in [40, 2] {
            server.client.raise("w", crate::GO, n).await.expect("it waits");
        }
        server.ended("w").await;
        list.wait().await;
    };
    let (listed, ()) = futures::join!(server.get("/instances?runtimeStatus=Running"), ends_meanwhile);
    let listed = listed.expect(200).json();
    assert_eq!((&listed[0]["instanceId"], &listed[0]["runtimeStatus"]), (&json!("w"), &json!("Running")), "{listed}");
}

/// Silence takes its time: longer than a second, which was once the time between two looks.
#[tokio::test]
async fn a_stream_asks_the_store_nothing_while_nothing_is_written() {
    let begun = Instant::now();
    let store = Through::<AppendOnly>::default();
    let between = store.between.clone();
    let runtime = Runtime::with_store(store.clone()).open().await.expect("it opens");
    let server = Server::on(runtime, |api| api, Api::router).await;
    let remote = Client::connect_store(Arc::new(store)).expect("it can listen");
    let remote = Server::with(|api| api, |_| dacapo::http::router(remote)).await;
    server.waiting("w").await;
    let mut streams = Vec::new();
    for server in [&server, &remote] {
        let request = server.http.get(server.url("/instances/w")).header("accept", "text/event-stream");
        let mut response = request.send().await.expect("it answers");
        assert!(response.chunk().await.expect("the status as it is").is_some());
        streams.push(response);
    }
    // The client of another process looks again for a while, because it may hear of a write before that can be read.
    let mut looks = 0;
    while looks != between.asked.load(Ordering::SeqCst) {
        assert!(begun.elapsed() < Duration::from_secs(60), "somebody asks again and again");
        looks = between.asked.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    server.post("/instances/w/raiseEvent/go", "40").await.expect_bare(202);
    for stream in &mut streams {
        let told = stream.chunk().await.expect("it goes on").expect("a change");
        assert!(String::from_utf8_lossy(&told).contains("heard"));
    }
}
