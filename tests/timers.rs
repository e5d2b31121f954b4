//! Durable timers: years long, through restarts, and whatever the clock of the machine does meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use dacapo::store::{Event as Recorded, MemoryStore, Timestamp};
use dacapo::{Event, Runtime, Status, orchestrator};

mod support;

use support::{Process, block_on};

const GO: Event<()> = Event::new("go");
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Sleeps until the event wakes it; how long it was to sleep by its own clock.
#[orchestrator]
async fn sleeps(duration: Duration) -> bool {
    dacapo::timeout(duration, GO.wait()).await.is_ok()
}

#[orchestrator]
async fn sleeps_until(time: SystemTime) -> bool {
    dacapo::select! { () = GO.wait() => true, () = dacapo::sleep_until(time) => false }
}

async fn due(runtime: &Runtime, id: &str) -> Timestamp {
    let history = runtime.history(id).await.expect("it is there");
    let created = history.iter().flat_map(|turn| &turn.events).find_map(|event| match event {
        Recorded::TimerCreated { fire_at, .. } => Some(*fire_at),
        _ => None,
    });
    created.expect("a timer was set")
}

#[tokio::test]
async fn decades_and_for_ever_are_waited_for_and_survive_restarts() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = Runtime::with_store(store.clone()).open().await?;
    let before = Timestamp::now();
    first.start(sleeps(40 * YEAR)).id("decades").await?;
    first.start(sleeps(Duration::MAX)).id("for ever").await?;
    assert!(due(&first, "decades").await >= before.after(40 * YEAR));
    assert_eq!(due(&first, "for ever").await, Timestamp(i64::MAX), "the end of time, not the past");
    drop(first);
    let second = Runtime::with_store(store).max_loaded_instances(0).open().await?;
    for id in ["decades", "for ever"] {
        assert_eq!(second.status(id).await?.runtime_status(), Status::Running);
        second.raise(id, GO, ()).await?;
        assert!(second.attach(sleeps, id).result().await?, "the event came first");
    }
    Ok(())
}

#[tokio::test]
async fn a_time_that_has_passed_is_due_at_once() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    for past in [SystemTime::UNIX_EPOCH, SystemTime::now() - 40 * YEAR, SystemTime::now() - Duration::from_secs(1)] {
        assert!(!runtime.start(sleeps_until(past)).await?.result().await?);
    }
    assert!(!runtime.start(sleeps(Duration::ZERO)).await?.result().await?);
    Ok(())
}

/// The order in which timers that were set together fire.
#[orchestrator]
async fn in_order() -> Vec<u64> {
    let fired = futures::stream::FuturesUnordered::new();
    for milliseconds in [30, 10, 20] {
        fired.push(async move {
            dacapo::sleep(Duration::from_millis(milliseconds)).await;
            milliseconds
        });
    }
    futures::StreamExt::collect(fired).await
}

#[tokio::test]
async fn timers_fire_in_the_order_of_time_also_when_all_are_overdue() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = Runtime::with_store(store.clone()).open().await?;
    first.start(in_order()).id("order").await?;
    drop(first);
    let due = Timestamp::now().after(Duration::from_millis(40));
    while Timestamp::now() < due {
        tokio::task::yield_now().await;
    }
    let second = Runtime::with_store(store).open().await?;
    assert_eq!(second.attach(in_order, "order").result().await?, [10, 20, 30]);
    Ok(())
}

#[orchestrator]
async fn naps(times: u32) -> u32 {
    #[sequential]
    for _ in 0..times {
        dacapo::sleep(Duration::from_millis(20)).await;
    }
    times
}

/// The process that is killed. Does nothing in the process of the tests.
#[test]
fn killed() -> dacapo::Result<()> {
    let Ok(url) = std::env::var("DACAPO_TIMER_CHILD") else {
        return Ok(());
    };
    block_on(async {
        let runtime = Runtime::open(&url).await?;
        match runtime.start(naps(30)).id("naps").await {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => {}
        }
        runtime.attach(naps, "naps").result().await?;
        Ok(runtime.shutdown().await?)
    })
}

fn fired(database: &Path) -> usize {
    let history = support::history(database, "naps");
    history.iter().flat_map(|turn| &turn.events).filter(|event| matches!(event, Recorded::TimerFired { .. })).count()
}

#[test]
fn a_timer_goes_on_after_a_kill() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("timers.db");
    let url = format!("sqlite:{}", database.display());
    for wanted in [3, 10, 20] {
        let mut process = Process::spawn(
            Command::new(std::env::current_exe()?)
                .args(["--exact", "killed"])
                .env("DACAPO_TIMER_CHILD", &url)
                .stdout(Stdio::null()),
        );
        assert!(process.run_until("the next timer", || fired(&database) >= wanted), "it ended by itself");
        assert!(process.kill());
    }
    let slept = block_on(async {
        let runtime = Runtime::open(&url).await?;
        Ok::<_, dacapo::Error>(runtime.attach(naps, "naps").result().await?)
    })?;
    assert_eq!((slept, fired(&database)), (30, 30), "each fired once");
    Ok(())
}
