//! What a runtime does while its store is slow or fails: nothing leaves before it is durable, and nothing is lost.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dacapo::store::{
    Applied, Batch, End, Epoch, Event, Instance, InstanceKey, Lookup, MemoryStore, Message, Query, Refused, Registered, Reply,
    Role, Runnable, Store, StoreResult, Stored, Timestamp, Turn,
};
use dacapo::{ErrorKind, Runtime, RuntimeError, Status, activity, orchestrator};
use futures::future::BoxFuture;
use tokio::sync::Notify;

/// A store that fails the next so many batches, or keeps the answers of the following ones back.
#[derive(Clone, Default)]
struct Moody {
    inner: MemoryStore,
    mood: Arc<Mood>,
}

#[derive(Default)]
struct Mood {
    failing: AtomicUsize,
    heartbeats: AtomicUsize,
    holding: Mutex<Option<Vec<(Reply, Applied)>>>,
    held: Notify,
}

impl Moody {
    fn hold(&self) {
        *self.mood.holding.lock().expect("nobody panics with it") = Some(Vec::new());
    }

    fn release(&self) {
        let held = self.mood.holding.lock().expect("nobody panics with it").take();
        held.into_iter().flatten().for_each(|(reply, applied)| reply(Ok(applied)));
    }
}

impl Store for Moody {
    fn apply(&self, batch: Batch, reply: Reply) {
        self.mood.heartbeats.fetch_add(batch.heartbeats.len(), Ordering::SeqCst);
        let failed = self.mood.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failed.is_ok() {
            return reply(Err(Box::new(Refused {
                error: RuntimeError::new(ErrorKind::Store, "no space left on device"),
                batch,
            })));
        }
        let mood = self.mood.clone();
        let answer: Reply = Box::new(move |result| {
            let mut holding = mood.holding.lock().expect("nobody panics with it");
            match (&mut *holding, result) {
                (Some(held), Ok(applied)) => {
                    held.push((reply, applied));
                    mood.held.notify_one();
                }
                (_, result) => {
                    drop(holding);
                    reply(result);
                }
            }
        });
        self.inner.apply(batch, answer);
    }

    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        self.inner.claim(wait, registered)
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.inner.registered()
    }

    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>> {
        self.inner.load(which)
    }

    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>> {
        self.inner.find(which)
    }

    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>> {
        self.inner.turn(instance, end)
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.inner.runnable(which)
    }

    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>> {
        self.inner.query(query)
    }

    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>> {
        self.inner.counts()
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        self.inner.ended(status, limit)
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<dacapo::Census>>> {
        self.inner.census()
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.inner.next_wake()
    }

    fn messages(&self, instance: Option<InstanceKey>, after: i64) -> BoxFuture<'_, StoreResult<Vec<Message>>> {
        self.inner.messages(instance, after)
    }

    fn beside(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.inner.beside(keys)
    }

    fn listen(&self, role: Role, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        self.inner.listen(role, listener)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

/// How often the activity ran, given to it as state.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

#[activity]
async fn counted(n: u32) -> u32 {
    dacapo::state::<Runs>().0.fetch_add(1, Ordering::SeqCst);
    n + 1
}

#[orchestrator]
async fn three_steps(n: u32) -> u32 {
    counted(counted(counted(n).await).await).await
}

/// Says ten thousand times how far it is.
#[activity]
async fn talks() {
    for n in 0..10_000 {
        dacapo::activity::heartbeat(&n);
        tokio::task::yield_now().await;
    }
}

#[orchestrator]
async fn calls_talks() {
    talks().await;
}

async fn open(store: &Moody, runs: &Runs) -> Runtime {
    Runtime::with_store(store.clone()).state(runs.clone()).open().await.expect("it opens")
}

#[tokio::test]
async fn ten_thousand_heartbeats_are_a_handful_of_writes() -> dacapo::Result<()> {
    let store = Moody::default();
    let runtime = open(&store, &Runs::default()).await;
    runtime.start(calls_talks()).await?.result().await?;
    let written = store.mood.heartbeats.load(Ordering::SeqCst);
    assert!((1..=10).contains(&written), "{written} writes");
    Ok(())
}

#[tokio::test]
async fn a_disk_that_fails_for_a_while_costs_time_and_nothing_else() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let runtime = open(&store, &runs).await;
    store.mood.failing.store(1, Ordering::SeqCst);
    let error = runtime.start(three_steps(0)).id("refused").await.expect_err("the disk is full");
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("no space left"), "{error}");

    store.hold();
    let starting = tokio::spawn(runtime.start(three_steps(1)).id("goes-on").into_future());
    store.mood.held.notified().await;
    store.mood.failing.store(3, Ordering::SeqCst);
    store.release();
    assert_eq!(starting.await??.result().await?, 4);
    assert_eq!(runs.0.load(Ordering::SeqCst), 3, "no step ran twice");
    assert_eq!(store.mood.failing.load(Ordering::SeqCst), 0, "the turn was tried again until it was written");
    assert_eq!(runtime.start(three_steps(2)).id("refused").await?.result().await?, 5, "the refused start left nothing behind");
    Ok(())
}

#[tokio::test]
async fn nothing_leaves_an_orchestration_before_it_is_durable() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let runtime = open(&store, &runs).await;
    store.hold();
    let starting = tokio::spawn(runtime.start(three_steps(1)).id("held").into_future());
    store.mood.held.notified().await;
    // The turn is decided and written, and the disk has not answered: give everything a chance to leave too early.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(runs.0.load(Ordering::SeqCst), 0, "an activity ran before its schedule was durable");
    assert!(!starting.is_finished(), "a start was answered before it was durable");
    store.release();
    assert_eq!(starting.await??.result().await?, 4);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_was_replaced_stops_and_changes_nothing() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let first = open(&store, &runs).await;
    store.hold();
    let starting = tokio::spawn(first.start(three_steps(1)).id("moved").into_future());
    store.mood.held.notified().await;
    let epoch = store.claim(false, Vec::new()).await?;
    store.release();
    starting.await??;
    // The first worker's next turn is refused; a new worker finds the run where the last accepted turn left it.
    let turns = store.load(Lookup::Id("moved".into())).await?.map(|stored| stored.history);
    let second = open(&store, &runs).await;
    assert!(store.claim(false, Vec::new()).await? > epoch);
    drop(first);
    drop(second);
    assert_eq!(turns.map(|turns| turns.iter().flat_map(|turn| &turn.events).filter(is_result).count()), Some(0));
    let third = open(&store, &runs).await;
    assert_eq!(third.attach(three_steps, "moved").result().await?, 4);
    Ok(())
}

#[orchestrator]
async fn waits_for_ever() {
    dacapo::sleep(std::time::Duration::MAX).await;
}

#[orchestrator]
async fn waits_for_a_child() {
    waits_for_ever().id("child").await;
}

#[tokio::test]
async fn a_crash_right_after_an_end_leaves_no_child_behind() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let first = open(&store, &runs).await;
    first.start(waits_for_a_child()).id("parent").await?;
    while !first.status("child").await.is_ok_and(|child| child.runtime_status() == Status::Running) {
        tokio::task::yield_now().await;
    }
    // The end of the parent is written, and the process ends before it hears of it.
    store.hold();
    let client = first.client();
    let ending = tokio::spawn(async move { client.terminate("parent", "enough").await });
    store.mood.held.notified().await;
    drop(first);

    let second = Runtime::with_store(store.inner.clone()).state(runs).open().await?;
    assert_eq!(second.status("parent").await?.runtime_status(), Status::Terminated);
    let failure = second.attach(waits_for_ever, "child").result().await.expect_err("it is ended, too");
    assert_eq!(failure.message(), "terminated: `parent` no longer waits for it");
    store.release();
    ending.await??;
    Ok(())
}

fn is_result(event: &&Event) -> bool {
    matches!(event, Event::TaskCompleted { .. })
}
