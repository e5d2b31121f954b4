//! What a worker does about errors of its store: a passing one is tried again, a permanent one parks the run it concerns.

#[path = "support/log.rs"]
mod log;
#[path = "support/wait.rs"]
mod wait;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo::testing::through::{Between, Read, Through};
use dacapo::{Client, ErrorKind, Event, Overlap, Runtime, RuntimeError, Status, Timetable, activity, entity, orchestrator};
use log::Log;
use rusqlite::Connection;
use wait::{has_turns, in_time, reported, until};

const GO: Event<u32> = Event::new("go");

#[activity]
async fn add_one(n: u32) -> u32 {
    n + 1
}

#[orchestrator]
async fn waits(n: u32) -> u32 {
    add_one(n).await + GO.wait().await
}

#[orchestrator]
async fn calls_waits() -> u32 {
    waits(1).id("child").await
}

#[orchestrator]
async fn sleeps() -> u32 {
    dacapo::sleep(Duration::from_millis(200)).await;
    7
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Tally(u32);

#[entity]
impl Tally {
    fn add(&mut self, n: u32) -> u32 {
        self.0 += n;
        self.0
    }
}

/// Fails the next so many reads of each kind, as a process does that has no descriptors left.
#[derive(Default)]
struct Short(Mutex<BTreeMap<u8, usize>>);

impl Short {
    fn fail(&self, what: Read, times: usize) {
        self.0.lock().expect("nobody panics with it").insert(what as u8, times);
    }

    /// How often a read of this kind is still to fail.
    fn left(&self, what: Read) -> usize {
        self.0.lock().expect("nobody panics with it").get(&(what as u8)).copied().unwrap_or(0)
    }
}

impl Between for Short {
    fn fails(&self, what: Read) -> Option<RuntimeError> {
        let mut left = self.0.lock().expect("nobody panics with it");
        let left = left.get_mut(&(what as u8)).filter(|left| **left > 0)?;
        *left -= 1;
        Some(RuntimeError::new(ErrorKind::Store, "too many open files"))
    }
}

type Flaky = Through<Short>;

async fn open(store: &Flaky) -> dacapo::Result<Runtime> {
    Ok(Runtime::with_store(store.clone()).open().await?)
}

#[tokio::test]
async fn an_event_of_another_process_is_heard_though_the_inbox_could_not_be_read() -> dacapo::Result<()> {
    let store = Flaky::default();
    let runtime = open(&store).await?;
    let run = runtime.start(waits(1)).id("w").await?;
    let client = Client::connect_store(Arc::new(store.clone()))?;
    store.between.fail(Read::Messages, 3);
    client.raise("w", GO, 40).await?;
    // Nobody writes anything from here on.
    assert_eq!(in_time("the event is heard", run.result()).await?, 42);
    assert_eq!(store.between.left(Read::Messages), 0);
    Ok(())
}

#[tokio::test]
async fn no_result_of_a_run_is_an_error_of_reading_it() -> dacapo::Result<()> {
    let store = Flaky::default();
    let runtime = open(&store).await?;
    let run = runtime.start(waits(1)).id("w").await?;
    run.raise(GO, 40).await?;
    run.result().await?;
    let client = Client::connect_store(Arc::new(store.clone()))?;
    for client in [runtime.client(), client] {
        for what in [Read::Instance, Read::Turn] {
            store.between.fail(what, 3);
            let result = in_time("the result is read", client.attach(waits, "w").result()).await;
            assert_eq!(result, Ok(42), "{what:?}");
            assert_eq!(store.between.left(what), 0, "{what:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_orchestration_that_cannot_be_read_for_a_while_takes_its_event_afterwards() -> dacapo::Result<()> {
    for what in [Read::Instance, Read::History, Read::Messages] {
        let store = Flaky::default();
        let runtime = open(&store).await?;
        runtime.start(waits(1)).id("w").await?;
        runtime.shutdown().await?;
        let runtime = open(&store).await?;
        store.between.fail(what, 3);
        in_time("the event is taken", runtime.raise("w", GO, 40)).await?;
        assert_eq!(in_time("it ends", runtime.attach(waits, "w").result()).await?, 42, "{what:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_learns_of_the_end_of_its_child_though_that_could_not_be_read() -> dacapo::Result<()> {
    for what in [Read::Instance, Read::Turn] {
        let store = Flaky::default();
        let runtime = open(&store).await?;
        let run = runtime.start(calls_waits()).id("caller").await?;
        runtime.suspend("caller", "so that the end is looked for").await?;
        in_time("the child waits", async {
            while runtime.raise("child", GO, 40).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        runtime.attach(waits, "child").result().await?;
        store.between.fail(what, 3);
        runtime.resume("caller", "now").await?;
        assert_eq!(in_time("the caller ends", run.result()).await?, 42, "{what:?}");
    }
    Ok(())
}

#[tokio::test]
async fn timers_of_stored_runs_fire_though_the_store_could_not_be_asked_for_them() -> dacapo::Result<()> {
    for what in [Read::Runnable, Read::NextWake] {
        let store = Flaky::default();
        let runtime = open(&store).await?;
        runtime.start(sleeps()).id("one").await?;
        runtime.start(sleeps()).id("two").await?;
        runtime.shutdown().await?;
        let runtime = Runtime::with_store(store.clone()).open().await?;
        store.between.fail(what, 3);
        for id in ["one", "two"] {
            in_time("the timer fires", runtime.attach(sleeps, id).result()).await?;
        }
        until("all reads were tried again", async || store.between.left(what) == 0).await;
    }
    Ok(())
}

#[tokio::test]
async fn an_entity_that_cannot_be_read_for_a_while_answers_afterwards() -> dacapo::Result<()> {
    for what in [Read::History, Read::Messages] {
        let store = Flaky::default();
        let runtime = open(&store).await?;
        store.between.fail(what, 3);
        assert_eq!(in_time("it answers", runtime.call(Tally::at("x").add(2))).await?, 2, "{what:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_schedule_starts_its_run_though_the_store_could_not_be_read() -> dacapo::Result<()> {
    let store = Flaky::default();
    let runtime = open(&store).await?;
    let schedule = runtime.schedule("s");
    schedule.create(Timetable::cron("0 0 1 1 *"), sleeps()).overlap(Overlap::AllowAll).await?;
    store.between.fail(Read::Instance, 0);
    schedule.trigger().await?;
    store.between.fail(Read::Instance, 3);
    let has_started = async || runtime.query().tag("schedule", "s").await.is_ok_and(|page| !page.instances().is_empty());
    until("the run is started", has_started).await;
    Ok(())
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("test.db").display())
}

/// A database in which two runs wait, and the last turn of one is not what this build writes.
async fn damaged(folder: &Path, damage: &str) -> dacapo::Result<()> {
    let runtime = Runtime::open(&url(folder)).await?;
    runtime.start(waits(1)).id("broken").await?;
    runtime.start(waits(1)).id("sound").await?;
    for id in ["broken", "sound"] {
        has_turns(&runtime, id, 2).await;
    }
    runtime.shutdown().await?;
    Connection::open(folder.join("test.db"))?.execute_batch(damage)?;
    Ok(())
}

const LAST_TURN: &str = "key = (SELECT max(t.key) FROM turn t JOIN instance i ON i.key = t.instance WHERE i.id = 'broken')";

#[tokio::test(flavor = "current_thread")]
async fn a_history_that_cannot_be_read_parks_its_run_and_nothing_else() -> dacapo::Result<()> {
    for damage in [
        format!("UPDATE turn SET events = substr(events, 1, length(events) - 9) WHERE {LAST_TURN}"),
        format!("UPDATE turn SET events = '[{{\"TaskTeleported\":{{\"id\":1}}}}]' WHERE {LAST_TURN}"),
    ] {
        let folder = tempfile::tempdir()?;
        damaged(folder.path(), &damage).await?;
        let (log, guard) = Log::of_this_thread();

        let runtime = Runtime::open(&url(folder.path())).await?;
        in_time("the event is kept", runtime.raise("broken", GO, 1)).await?;
        let status = runtime.status("broken").await?;
        assert_eq!(status.runtime_status(), Status::Suspended);
        let report = status.report().expect("it says why");
        assert!(report.contains("turn 2") && report.contains("resume"), "{report}");
        let refused = runtime.resume("broken", "try").await.expect_err("it is as broken as before");
        assert!(refused.to_string().contains("turn 2"), "{refused}");
        in_time("the other is whole", runtime.raise("sound", GO, 40)).await?;
        assert_eq!(in_time("the other goes on", runtime.attach(waits, "sound").result()).await?, 42);

        drop(guard);
        let text = log.text();
        let parked: Vec<_> = text.lines().filter(|line| line.contains("ERROR")).collect();
        assert!(parked.len() <= 2, "one line for each time it is parked:\n{text}");

        // Its events wait, and it can be ended without being read.
        in_time("it is ended", runtime.terminate("broken", "enough")).await?;
        assert_eq!(runtime.status("broken").await?.runtime_status(), Status::Terminated);
        runtime.shutdown().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_run_goes_on_when_its_history_is_restored() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    damaged(
        folder.path(),
        &format!("CREATE TABLE kept AS SELECT * FROM turn WHERE {LAST_TURN}; UPDATE turn SET events = '[{{' WHERE {LAST_TURN}"),
    )
    .await?;
    let runtime = Runtime::open(&url(folder.path())).await?;
    in_time("the event is kept", runtime.raise("broken", GO, 40)).await?;
    Connection::open(folder.path().join("test.db"))?
        .execute_batch("UPDATE turn SET events = (SELECT events FROM kept) WHERE key = (SELECT key FROM kept)")?;
    runtime.resume("broken", "restored").await?;
    assert_eq!(in_time("it goes on", runtime.attach(waits, "broken").result()).await?, 42);
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_message_that_cannot_be_read_keeps_no_other_from_being_heard() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    damaged(folder.path(), "INSERT INTO inbox (instance, event) SELECT key, '{\"Raised' FROM instance WHERE id = 'broken'")
        .await?;
    let runtime = Runtime::open(&url(folder.path())).await?;
    let client = Client::connect(&url(folder.path())).await?;
    client.raise("sound", GO, 40).await?;
    assert_eq!(in_time("the other is heard", runtime.attach(waits, "sound").result()).await?, 42);
    let parked = reported(&client, "broken").await;
    assert!(parked.report().is_some_and(|report| report.contains("event")), "{parked:?}");
    runtime.shutdown().await?;
    Ok(())
}

/// Runs in a process that may open a few files only.
#[test]
fn child_without_descriptors() {
    let Ok(url) = std::env::var("DACAPO_NO_DESCRIPTORS") else { return };
    let executor = tokio::runtime::Runtime::new().expect("an executor");
    executor.block_on(async move {
        let runtime = Runtime::open(&url).await.expect("there are enough to open it");
        let client = Client::connect(&url).await.expect("there are enough to connect");
        let run = runtime.start(waits(1)).id("w").await.expect("it is started");
        run.raise(GO, 40).await.expect("it is raised");
        run.result().await.expect("it ends");
        let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        assert!(!hoard.is_empty() && std::fs::File::open("/dev/null").is_err());
        for client in [runtime.client(), client.clone()] {
            let asked = (0..64).map(|_| {
                let run = client.attach(waits, "w");
                tokio::spawn(async move { run.result().await })
            });
            for result in futures::future::join_all(asked).await {
                assert_eq!(result.expect("nothing panics"), Ok(42));
            }
        }
        for number in 0..20 {
            let run = runtime.start(waits(number)).await.expect("it is started");
            run.raise(GO, 1).await.expect("it is raised");
            assert_eq!(in_time("it ends", run.result()).await, Ok(number + 2));
        }
        let run = runtime.start(waits(1)).await.expect("it is started");
        client.raise(run.id(), GO, 40).await.expect("it is raised");
        drop(hoard);
        // Nobody writes anything from here on.
        assert_eq!(in_time("the worker hears of it", run.result()).await, Ok(42));
        runtime.shutdown().await.expect("it closes");
        println!("done without descriptors");
    });
}

#[test]
fn no_result_of_a_run_is_a_want_of_descriptors() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let this = std::env::current_exe().expect("the test knows itself");
    let limited = "ulimit -n 64; exec \"$0\" --exact child_without_descriptors --nocapture";
    let child = std::process::Command::new("sh")
        .arg("-c")
        .arg(limited)
        .arg(this)
        .env("DACAPO_NO_DESCRIPTORS", url(folder.path()))
        .output();
    let output = child.expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("done without descriptors"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
