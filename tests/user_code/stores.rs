//! Stores and codecs that panic: whoever asked gets an error, and the worker goes on.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dacapo::store::{Batch, MemoryStore, Reply, Store};
use dacapo::testing::through::{Between, Read, Through};
use dacapo::{Codec, ErrorKind, Event, Payloads, Runtime, Status, orchestrator};
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

use crate::both::reaches;
use crate::{in_time, still_works, two_steps};

const GO: Event<u32> = Event::new("go");

#[orchestrator]
async fn hears() -> u32 {
    GO.wait().await + GO.wait().await
}

/// Panics while it is told to.
#[derive(Clone, Default)]
struct Mood(Arc<AtomicBool>);

impl Mood {
    fn set(&self, panics: bool) {
        self.0.store(panics, Ordering::SeqCst);
    }

    fn check(&self) {
        assert!(!self.0.load(Ordering::SeqCst), "a bad mood");
    }
}

impl Between for Mood {
    fn apply(self: Arc<Self>, store: &dyn Store, batch: Batch, reply: Reply) {
        self.check();
        store.apply(batch, reply);
    }

    fn read(&self, _: Read) -> BoxFuture<'_, ()> {
        self.check();
        ready(()).boxed()
    }
}

#[tokio::test]
async fn a_store_that_panics_answers_with_an_error() -> dacapo::Result<()> {
    let store = Through::<Mood>::default();
    let mood = store.between.clone();
    let runtime = Runtime::with_store(store).open().await?;
    let run = runtime.start(hears()).id("h").await?;
    mood.set(true);
    let error = in_time("the start", runtime.start(hears()).into_future()).await.expect_err("it panics");
    assert!(error.kind() == ErrorKind::Store && error.to_string().contains("panicked"), "{error}");
    let error = in_time("the status", runtime.status("h")).await.expect_err("it panics");
    assert!(error.to_string().contains("a bad mood"), "{error}");
    in_time("the event", runtime.raise("h", GO, 1)).await.expect_err("it panics");
    mood.set(false);
    still_works(&runtime).await;
    if runtime.status("h").await?.runtime_status() == Status::Suspended {
        runtime.resume("h", "the store is well again").await?;
    }
    for n in [2, 3] {
        in_time("the event", runtime.raise("h", GO, n)).await?;
    }
    assert_eq!(in_time("the end", run.result()).await?, 5);
    Ok(runtime.shutdown().await?)
}

/// Spoils the first batch that ends a run.
#[derive(Default)]
struct Spoils {
    panics: bool,
    done: AtomicBool,
}

impl Between for Spoils {
    fn apply(self: Arc<Self>, store: &dyn Store, batch: Batch, reply: Reply) {
        let ends = batch.update.as_ref().is_some_and(|update| update.state.status == Status::Completed);
        if !ends || self.done.swap(true, Ordering::SeqCst) {
            return store.apply(batch, reply);
        }
        assert!(!self.panics, "a bad mood");
        drop(reply);
    }
}

async fn a_last_turn_is_parked_and_resumed(panics: bool) -> dacapo::Result<()> {
    let between = Arc::new(Spoils { panics, ..Spoils::default() });
    let runtime = Runtime::with_store(Through { inner: MemoryStore::new(), between }).open().await?;
    let run = runtime.start(two_steps(1)).id("t").await?;
    let status = reaches(&runtime, "t", Status::Suspended).await;
    assert!(status.report().is_some_and(|report| report.contains("the store")), "{status:?}");
    runtime.resume("t", "the store is well again").await?;
    assert_eq!(in_time("the end", run.result()).await?, 3);
    Ok(runtime.shutdown().await?)
}

#[tokio::test]
async fn a_last_turn_at_which_the_store_panics_parks_its_run() -> dacapo::Result<()> {
    a_last_turn_is_parked_and_resumed(true).await
}

#[tokio::test]
async fn a_last_turn_that_the_store_never_answers_parks_its_run() -> dacapo::Result<()> {
    a_last_turn_is_parked_and_resumed(false).await
}

impl Codec for Mood {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        self.check();
        plain.iter().rev().copied().collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.encode(encoded))
    }
}

#[tokio::test]
async fn a_codec_that_panics_answers_with_an_error() -> dacapo::Result<()> {
    let mood = Mood::default();
    let runtime = Runtime::builder("memory:").payloads(Payloads::default().codec(mood.clone())).open().await?;
    runtime.start(hears()).id("h").await?;
    mood.set(true);
    let error = in_time("the start", runtime.start(hears()).into_future()).await.expect_err("it panics");
    assert!(error.kind() == ErrorKind::Unreadable && error.to_string().contains("a bad mood"), "{error}");
    in_time("the event", runtime.raise("h", GO, 1)).await.expect_err("it panics");
    mood.set(false);
    still_works(&runtime).await;
    reaches(&runtime, "h", Status::Suspended).await;
    runtime.resume("h", "the codec is well again").await?;
    for n in [2, 3] {
        in_time("the event", runtime.raise("h", GO, n)).await?;
    }
    assert_eq!(in_time("the end", runtime.attach(hears, "h").result()).await?, 5);
    Ok(runtime.shutdown().await?)
}
