//! Where user code runs: in a task of the executor, never on the store's thread or in the task of whoever asks.

use std::fmt::Display;
use std::future::IntoFuture as _;
use std::sync::Mutex;

use dacapo::store::{Batch, Reply, Store};
use dacapo::testing::through::{Between, Read, Through};
use dacapo::{Client, Codec, EntityId, Event, Payloads, ReuseId, Runtime, Status, activity, entity, orchestrator};
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use serde::{Deserialize, Serialize};

use crate::both::{Kept, on_both_stores, reaches, until};
use crate::in_time;

on_both_stores! {
    orchestrators_run_in_no_task_of_a_client
    values_are_dropped_in_no_task_of_a_client
    limit_keys_are_found_in_no_task_of_a_client
    codecs_run_in_no_task_of_a_client
}

/// A place that user code was seen at.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    what: String,
    id: String,
    task: Option<tokio::task::Id>,
    thread: Option<String>,
}

static SEEN: Mutex<Vec<Place>> = Mutex::new(Vec::new());

fn seen(what: &str, id: impl Display) {
    let thread = std::thread::current().name().map(str::to_owned);
    let place = Place { what: what.to_owned(), id: id.to_string(), task: tokio::task::try_id(), thread };
    SEEN.lock().expect("nobody panics with it").push(place);
}

/// What was seen of a run, each of which must be in a task that is not this one.
fn elsewhere(id: &str) -> Vec<String> {
    let here = tokio::task::try_id().expect("the test is a task");
    let seen: Vec<_> = SEEN.lock().expect("nobody panics with it").iter().filter(|place| place.id == id).cloned().collect();
    for place in &seen {
        assert!(place.task.is_some_and(|task| task != here), "in a task of the caller, or in none: {place:?}");
        assert_ne!(place.thread.as_deref(), Some("dacapo-writer"), "{place:?}");
    }
    seen.into_iter().map(|place| place.what).collect()
}

const GO: Event<u32> = Event::new("go");

/// Notes where it is dropped.
struct Local(&'static str, String);

impl Drop for Local {
    fn drop(&mut self) {
        seen(self.0, &self.1);
    }
}

#[orchestrator]
async fn notes(limit: u32) -> u32 {
    let id = dacapo::instance_id();
    drop(Local("begin", id.clone()));
    let _local = Local("drop", id.clone());
    let mut sum = 0;
    while sum < limit {
        sum += GO.wait().await;
        drop(Local("event", id.clone()));
    }
    sum
}

/// As a task, so that it has an id that can be told from others.
async fn as_task(test: impl Future<Output = ()> + 'static) -> dacapo::Result<()> {
    let tasks = tokio::task::LocalSet::new();
    Ok(tasks.run_until(async { tokio::task::spawn_local(test).await }).await?)
}

/// Ids are of one test, because what is seen is of all.
fn named(kept: &Kept, name: &str) -> String {
    format!("{name}-{}", if kept.path().is_some() { "sqlite" } else { "memory" })
}

async fn waiting(client: &Client, id: &str, limit: u32) {
    client.start(notes(limit)).id(id).await.expect("it starts");
    reaches(client, id, Status::Running).await;
}

async fn orchestrators_run_in_no_task_of_a_client(kept: Kept) -> dacapo::Result<()> {
    as_task(async move {
        let runtime = kept.runtime().verify(false).open().await.expect("it opens");
        let id = named(&kept, "runs");
        waiting(&runtime, &id, 2).await;
        runtime.raise(&id, GO, 1).await.expect("it is taken");
        runtime.suspend(&id, "a break").await.expect("it is suspended");
        runtime.raise(&id, GO, 1).await.expect("it is kept");
        runtime.resume(&id, "go on").await.expect("it goes on");
        assert_eq!(in_time("the end", runtime.attach(notes, &id).result()).await.expect("it ends well"), 2);
        let what = elsewhere(&id);
        assert!(["begin", "event", "drop"].iter().all(|wanted| what.iter().any(|what| what == wanted)), "{what:?}");
    })
    .await
}

async fn values_are_dropped_in_no_task_of_a_client(kept: Kept) -> dacapo::Result<()> {
    as_task(async move {
        let runtime = kept.runtime().verify(false).max_loaded_instances(1).open().await.expect("it opens");
        let [ended, evicted, left] = ["ended", "evicted", "left"].map(|name| named(&kept, name));
        waiting(&runtime, &ended, 1).await;
        in_time("the end", runtime.terminate(&ended, "enough")).await.expect("it ends");
        until("it is dropped", async || elsewhere(&ended).contains(&"drop".into())).await;
        waiting(&runtime, &evicted, 1).await;
        waiting(&runtime, &left, 1).await;
        until("it is dropped", async || elsewhere(&evicted).contains(&"drop".into())).await;
        in_time("the shutdown", runtime.shutdown()).await.expect("it closes");
        assert!(elsewhere(&left).contains(&"drop".into()), "a shutdown waits for what it drops");
    })
    .await
}

/// Notes where it is read, which is where the key of its limits is found.
#[derive(Serialize)]
struct Tenant(String);

impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        seen("key", &name);
        Ok(Self(name))
    }
}

#[activity(max_concurrent = 1, limit_key = tenant.0.clone())]
async fn limited(tenant: Tenant) -> usize {
    tenant.0.len()
}

#[orchestrator]
async fn calls_limited(name: String) -> usize {
    GO.wait().await;
    limited(Tenant(name)).await
}

async fn limit_keys_are_found_in_no_task_of_a_client(kept: Kept) -> dacapo::Result<()> {
    as_task(async move {
        let runtime = kept.runtime().verify(false).open().await.expect("it opens");
        let id = named(&kept, "limited");
        let run = runtime.start(calls_limited(id.clone())).into_future().await.expect("it starts");
        runtime.raise(run.id(), GO, 1).await.expect("it is taken");
        assert_eq!(in_time("the end", run.result()).await.expect("it ends well"), id.len());
        assert!(elsewhere(&id).contains(&"key".into()));
    })
    .await
}

/// Notes where it encodes and decodes.
struct Noting(String);

impl Codec for Noting {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        seen("encode", &self.0);
        plain.iter().rev().copied().collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        seen("decode", &self.0);
        Ok(encoded.iter().rev().copied().collect())
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Total(u32);

#[entity]
impl Total {
    fn add(&mut self, n: u32) -> u32 {
        self.0 += n;
        self.0
    }
}

#[orchestrator]
async fn fails_once_told() -> dacapo::Result<()> {
    dacapo::set_custom_status(&"soon");
    let n = GO.wait().await;
    Err(dacapo::Error::msg(format!("told {n}")))
}

/// Asks a client for everything it can be asked for.
async fn ask_for_everything(runtime: &Runtime) -> dacapo::Result<()> {
    let run = runtime.start(fails_once_told()).id("all").await?;
    runtime.start(fails_once_told()).id("all").reuse_id(ReuseId::UseExisting).await?;
    runtime.start(fails_once_told()).id("later").after(std::time::Duration::from_secs(3_600)).await?;
    run.started().await?;
    run.status().await?;
    run.custom_status::<String>().await?;
    runtime.history("all").await?;
    runtime.query().await?;
    runtime.counts().await?;
    runtime.census().await?;
    runtime.suspend("all", "a break").await?;
    runtime.raise("all", GO, 1).await?;
    runtime.resume("all", "go on").await?;
    in_time("the end", run.result()).await.expect_err("it fails");
    runtime.rewind("all", "again").await?;
    runtime.watch("all").next().await?;
    runtime.terminate("later", "enough").await?;
    runtime.restart("later").new_id().await?;
    runtime.purge("later").await?;
    runtime.signal(Total::at("t").add(1)).await?;
    runtime.call(Total::at("t").add(1)).await?;
    runtime.state_of::<Total>("t").await?;
    runtime.state_named(&EntityId::named("total", "t")).await?;
    runtime.entities().await?;
    runtime.start(fails_once_told()).id("all").reuse_id(ReuseId::ReplaceAny).await?;
    runtime.query().finished().purge().await?;
    Ok(())
}

async fn codecs_run_in_no_task_of_a_client(kept: Kept) -> dacapo::Result<()> {
    as_task(async move {
        let id = named(&kept, "codec");
        let runtime = kept.runtime().payloads(Payloads::default().codec(Noting(id.clone()))).open().await.expect("it opens");
        in_time("the answers", ask_for_everything(&runtime)).await.expect("it is answered");
        in_time("the shutdown", runtime.shutdown()).await.expect("it closes");
        let what = elsewhere(&id);
        assert!(["encode", "decode"].iter().all(|wanted| what.iter().any(|what| what == wanted)), "{what:?}");
    })
    .await
}

/// Notes where a store is asked.
#[derive(Default)]
struct Asked;

impl Between for Asked {
    fn apply(self: std::sync::Arc<Self>, store: &dyn Store, batch: Batch, reply: Reply) {
        seen("apply", "a store");
        store.apply(batch, reply);
    }

    fn read(&self, what: Read) -> BoxFuture<'_, ()> {
        seen(&format!("{what:?}"), "a store");
        ready(()).boxed()
    }
}

#[tokio::test]
async fn stores_are_asked_in_no_task_of_a_client() -> dacapo::Result<()> {
    as_task(async {
        let runtime = Runtime::with_store(Through::<Asked>::default()).open().await.expect("it opens");
        in_time("the answers", ask_for_everything(&runtime)).await.expect("it is answered");
        in_time("the shutdown", runtime.shutdown()).await.expect("it closes");
        let what = elsewhere("a store");
        assert!(["apply", "Instance", "History", "Turn", "List"].iter().all(|wanted| what.iter().any(|what| what == wanted)));
    })
    .await
}
