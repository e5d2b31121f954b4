//! What a runtime does while its store is slow or fails: nothing leaves before it is durable, and nothing is lost.

use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dacapo::store::{Applied, Batch, Event as Recorded, Lookup, MemoryStore, Refused, Reply, Store};
use dacapo::testing::through::{Between, Read, Through};
use dacapo::{Client, ErrorKind, Event, Runtime, RuntimeError, Status, activity, orchestrator};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Barrier, Notify};

type Moody = Through<Mood>;

/// Fails the next so many batches, keeps the answers of the following ones back, or takes its time with the next history.
#[derive(Default)]
struct Mood {
    failing: AtomicUsize,
    heartbeats: AtomicUsize,
    holding: Mutex<Option<Vec<(Reply, Applied)>>>,
    held: Notify,
    /// Met twice: when this has been read, and when whoever reads may go on.
    pause: Mutex<Option<(Read, Arc<Barrier>)>>,
}

impl Mood {
    fn hold(&self) {
        *self.holding.lock().expect("nobody panics with it") = Some(Vec::new());
    }

    fn release(&self) {
        let held = self.holding.lock().expect("nobody panics with it").take();
        held.into_iter().flatten().for_each(|(reply, applied)| reply(Ok(applied)));
    }

    /// After the next read of this kind.
    fn pause(&self, what: Read) -> Arc<Barrier> {
        let barrier = Arc::new(Barrier::new(2));
        *self.pause.lock().expect("nobody panics with it") = Some((what, barrier.clone()));
        barrier
    }
}

impl Between for Mood {
    fn apply(self: Arc<Self>, store: &dyn Store, batch: Batch, reply: Reply) {
        self.heartbeats.fetch_add(batch.heartbeats.len(), Ordering::SeqCst);
        let failed = self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failed.is_ok() {
            let error = RuntimeError::new(ErrorKind::Store, "no space left on device");
            return reply(Err(Box::new(Refused::new(error, batch))));
        }
        let mood = self.clone();
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
        store.apply(batch, answer);
    }

    fn read(&self, what: Read) -> BoxFuture<'_, ()> {
        let pause = self.pause.lock().expect("nobody panics with it").take_if(|(paused, _)| *paused == what);
        async move {
            if let Some((_, pause)) = pause {
                pause.wait().await;
                pause.wait().await;
            }
        }
        .boxed()
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
    let written = store.between.heartbeats.load(Ordering::SeqCst);
    assert!((1..=10).contains(&written), "{written} writes");
    Ok(())
}

#[tokio::test]
async fn a_disk_that_fails_for_a_while_costs_time_and_nothing_else() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let runtime = open(&store, &runs).await;
    store.between.failing.store(1, Ordering::SeqCst);
    let error = runtime.start(three_steps(0)).id("refused").await.expect_err("the disk is full");
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("no space left"), "{error}");

    store.between.hold();
    let starting = tokio::spawn(runtime.start(three_steps(1)).id("goes-on").into_future());
    store.between.held.notified().await;
    store.between.failing.store(3, Ordering::SeqCst);
    store.between.release();
    assert_eq!(starting.await??.result().await?, 4);
    assert_eq!(runs.0.load(Ordering::SeqCst), 3, "no step ran twice");
    assert_eq!(store.between.failing.load(Ordering::SeqCst), 0, "the turn was tried again until it was written");
    assert_eq!(runtime.start(three_steps(2)).id("refused").await?.result().await?, 5, "the refused start left nothing behind");
    Ok(())
}

#[tokio::test]
async fn nothing_leaves_an_orchestration_before_it_is_durable() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let runtime = open(&store, &runs).await;
    store.between.hold();
    let starting = tokio::spawn(runtime.start(three_steps(1)).id("held").into_future());
    store.between.held.notified().await;
    // The turn is decided and written, and the disk has not answered: give everything a chance to leave too early.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(runs.0.load(Ordering::SeqCst), 0, "an activity ran before its schedule was durable");
    assert!(!starting.is_finished(), "a start was answered before it was durable");
    store.between.release();
    assert_eq!(starting.await??.result().await?, 4);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_was_replaced_stops_and_changes_nothing() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let first = open(&store, &runs).await;
    store.between.hold();
    let starting = tokio::spawn(first.start(three_steps(1)).id("moved").into_future());
    store.between.held.notified().await;
    let epoch = store.claim(false, Vec::new()).await?;
    store.between.release();
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
    store.between.hold();
    let client = first.client();
    let ending = tokio::spawn(async move { client.terminate("parent", "enough").await });
    store.between.held.notified().await;
    drop(first);

    let second = Runtime::with_store(store.inner.clone()).state(runs).open().await?;
    assert_eq!(second.status("parent").await?.runtime_status(), Status::Terminated);
    let failure = second.attach(waits_for_ever, "child").result().await.expect_err("it is ended, too");
    assert_eq!(failure.message(), "terminated: `parent` no longer waits for it");
    store.between.release();
    ending.await??;
    Ok(())
}

/// Whether the line is up, given to it as state.
#[derive(Clone, Default)]
struct Line(Arc<AtomicBool>);

#[activity(retry = dacapo::Retry::none())]
async fn rings() -> dacapo::Result<()> {
    if dacapo::state::<Line>().0.load(Ordering::SeqCst) { Ok(()) } else { Err(dacapo::Error::msg("the line is down")) }
}

const EARLY: Event<u32> = Event::new("early");
const LATE: Event<u32> = Event::new("late");

#[orchestrator]
async fn rings_and_waits() -> dacapo::Result<u32> {
    rings().await?;
    Ok(LATE.wait().await)
}

/// Somebody asks for a run that has failed. While its history is read, it is rewound, and an event comes.
#[tokio::test]
async fn what_comes_for_a_run_that_is_rewound_while_its_history_is_read_is_not_lost() -> dacapo::Result<()> {
    for is_remote in [false, true] {
        let (store, line) = (Moody::default(), Line::default());
        let runtime = Runtime::with_store(store.clone()).state(line.clone()).open().await?;
        let run = runtime.start(rings_and_waits()).id("r").await?;
        run.result().await.expect_err("the line is down");
        line.0.store(true, Ordering::SeqCst);

        let pause = store.between.pause(Read::History);
        let client = runtime.client();
        let early = tokio::spawn(async move { client.raise("r", EARLY, 1).await });
        pause.wait().await;
        runtime.rewind("r", "the line is up").await?;
        let client = if is_remote { Client::connect_store(Arc::new(store))? } else { runtime.client() };
        let late = client.raise("r", LATE, 2);
        let is_sent = async {
            tokio::task::yield_now().await;
            pause.wait().await;
        };
        let (late, _) = futures::join!(late, is_sent);
        late?;
        assert_eq!(run.result().await?, 2);
        drop(early.await?);
    }
    Ok(())
}

#[tokio::test]
async fn a_restart_of_a_run_that_is_purged_meanwhile_starts_nothing() -> dacapo::Result<()> {
    let (store, runs) = (Moody::default(), Runs::default());
    let runtime = open(&store, &runs).await;
    runtime.start(three_steps(1)).id("earlier").await?.result().await?;
    let pause = store.between.pause(Read::Instance);
    let restarting = tokio::spawn(runtime.restart("earlier").id("later").into_future());
    pause.wait().await;
    runtime.purge("earlier").await?;
    pause.wait().await;
    let error = restarting.await?.expect_err("its input is gone");
    assert!(error.is_not_found(), "{error}");
    assert!(runtime.status("later").await.is_err_and(|error| error.is_not_found()), "nothing was started without it");
    Ok(())
}

static GATE: Mutex<Option<Arc<std::sync::Barrier>>> = Mutex::new(None);

/// Met twice, if there is a gate.
fn passes_the_gate() {
    if let Some(gate) = GATE.lock().expect("nobody panics with it").take() {
        gate.wait();
        gate.wait();
    }
}

#[orchestrator(allow(shared_state, reason = "what the gate changes is when, not what"))]
async fn takes_its_time() -> u32 {
    passes_the_gate();
    LATE.wait().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_in_the_middle_of_a_replay_is_a_shutdown() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let runtime = Runtime::with_store(store.clone()).open().await?;
    runtime.start(takes_its_time()).id("t").await?;
    runtime.shutdown().await?;

    let runtime = Runtime::with_store(store.clone()).open().await?;
    let gate = Arc::new(std::sync::Barrier::new(2));
    *GATE.lock().expect("nobody panics with it") = Some(gate.clone());
    let client = runtime.client();
    let raising = tokio::spawn(async move { client.raise("t", LATE, 1).await });
    let replays = gate.clone();
    tokio::task::spawn_blocking(move || replays.wait()).await?;
    let closing = tokio::spawn(runtime.shutdown());
    let refused = raising.await?.expect_err("it is not taken any more");
    assert!(refused.to_string().contains("shut"), "{refused}");
    gate.wait();
    closing.await??;

    let runtime = Runtime::with_store(store).open().await?;
    runtime.raise("t", LATE, 2).await?;
    assert_eq!(runtime.attach(takes_its_time, "t").result().await?, 2);
    Ok(())
}

fn is_result(event: &&Recorded) -> bool {
    matches!(event, Recorded::TaskCompleted { .. })
}
