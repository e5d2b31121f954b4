//! What an orchestrator logs or prints is written when it happens, and not again when it is replayed. What the arguments do is
//! done every time.

#[path = "support/log.rs"]
mod log;

use std::process::Command;
use std::time::Duration;

use dacapo::store::MemoryStore;
use dacapo::{Event, Runtime, activity, orchestrator};
use log::Log;
use rand::RngExt as _;
use tracing::warn;

const GO: Event<u32> = Event::new("go");

#[activity]
async fn step(n: u32) -> u32 {
    n
}

/// Logs and prints before, between and after its calls.
#[orchestrator]
async fn talks() -> u32 {
    tracing::info!("begin");
    println!("printed begin");
    let first = step(1).await;
    tracing::warn!(first, "stepped");
    let second = GO.wait().await;
    tracing::info!("end {}", first + second);
    println!("printed end");
    first + second
}

/// Its own kind of change, which no list of methods can know.
#[derive(Debug)]
struct Counter(usize);

impl Counter {
    fn advance(&mut self) -> usize {
        self.0 += 1;
        self.0
    }
}

#[activity]
async fn note(what: String) -> usize {
    what.len()
}

/// A macro of one's own may be called as if it logged.
macro_rules! info {
    ($queue:ident, $value:expr) => {
        $queue.push($value)
    };
}

/// Calls with what is left when its logging has drawn, popped, counted and awaited.
#[orchestrator]
#[allow(clippy::dbg_macro)]
async fn draws() -> usize {
    let (mut counter, mut queue, name) = (Counter(2), vec![1, 2, 3, 4, 5, 6, 7, 8], "x".to_owned());
    println!("printed {} for {name}", dacapo::new_uuid());
    println!("printed {0:>width$} {0}", dacapo::rng().random::<u32>(), width = 3 * counter.advance());
    println!("printed {:?}", queue.pop_if(|last| *last == 8));
    eprintln!("printed {}", dacapo::side_effect(|| 5_u32) + 1);
    match queue.pop() {
        Some(last) => println!("printed {last} {}", counter.advance()),
        None => return 0,
    }
    println!("printed {}", step(counter.advance() as u32).await);
    dbg!(counter.advance());
    tracing::info!(trace = %dacapo::new_uuid(), name, rest = ?queue.split_off(4), "logged {}", counter.advance());
    info!(queue, 9);
    match queue.len() {
        0 => return 0,
        left => warn!("counted {left}"),
    }
    tracing::debug!(target: "below", { left = queue.len() }, "{:?} {}", queue.pop(), dacapo::new_uuid());
    let first = note(format!("{counter:?} {queue:?} {}", dacapo::new_uuid())).await;
    GO.wait().await;
    first + note(dacapo::new_uuid().to_string()).await
}

/// A subscriber of one test decides for all which events are asked for at all, so that one runs at a time.
static SUBSCRIBED: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Starts two runs, restarts the worker before their last turns, and finishes them. Verify mode replays every turn, besides.
async fn run_across_a_restart() -> dacapo::Result<()> {
    run_across(|| ()).await
}

/// The same; what `restart` gives lives from then on.
async fn run_across<T>(restart: impl FnOnce() -> T) -> dacapo::Result<()> {
    tokio::time::timeout(Duration::from_secs(20), both_across(restart)).await.expect("neither run is parked")
}

async fn both_across<T>(restart: impl FnOnce() -> T) -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let open = || Runtime::with_store(store.clone()).verify(true).open();
    let runtime = open().await?;
    runtime.start(talks()).id("talker").await?;
    runtime.start(draws()).id("drawer").await?;
    while runtime.history("talker").await?.len() < 2 || runtime.history("drawer").await?.len() < 3 {
        tokio::task::yield_now().await;
    }
    runtime.shutdown().await?;
    let _restarted = restart();
    let runtime = open().await?;
    runtime.raise("talker", GO, 2).await?;
    runtime.raise("drawer", GO, 2).await?;
    assert_eq!(runtime.attach(talks, "talker").result().await?, 3);
    assert_eq!(runtime.attach(draws, "drawer").result().await?, 2 * 36 + "Counter(7) [1, 2, 3, 4] ".len());
    Ok(())
}

#[tokio::test]
async fn a_replay_logs_nothing_again() -> dacapo::Result<()> {
    let _alone = SUBSCRIBED.lock().await;
    let (log, _guard) = Log::of_this_thread();
    run_across_a_restart().await?;
    let text = log.text();
    for line in ["begin", "stepped", "end 3", "logged 7 ", "counted 5"] {
        assert_eq!(text.matches(line).count(), 1, "`{line}` in:\n{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_replay_does_the_same_under_another_level() -> dacapo::Result<()> {
    let _alone = SUBSCRIBED.lock().await;
    let verbose = tracing_subscriber::fmt().with_writer(Log::default()).with_max_level(tracing::Level::TRACE).finish();
    let level = || tracing::subscriber::set_default(verbose);
    run_across(level).await
}

static STARTED: tokio::sync::Notify = tokio::sync::Notify::const_new();

#[activity]
async fn goes_on_for_ever() {
    STARTED.notify_one();
    std::future::pending().await
}

#[orchestrator]
async fn calls_it() {
    goes_on_for_ever().await;
}

#[tokio::test]
async fn a_shutdown_tells_how_many_activities_it_cut_off() -> dacapo::Result<()> {
    let _alone = SUBSCRIBED.lock().await;
    let (log, _guard) = Log::of_this_thread();
    let runtime = Runtime::builder("memory:").grace_period(Duration::ZERO).open().await?;
    runtime.start(calls_it()).await?;
    STARTED.notified().await;
    runtime.shutdown().await?;
    let text = log.text();
    assert!(text.contains("still running after the grace period") && text.contains("activities=1"), "{text}");
    Ok(())
}

/// Prints into the output that the test below reads.
#[tokio::test]
async fn child_that_prints() -> dacapo::Result<()> {
    if std::env::var_os("DACAPO_PRINTS").is_some() { run_across_a_restart().await } else { Ok(()) }
}

#[test]
fn a_replay_prints_nothing_again() {
    let this = std::env::current_exe().expect("the test knows itself");
    let output = Command::new(this).args(["--exact", "child_that_prints", "--nocapture"]).env("DACAPO_PRINTS", "1").output();
    let text = String::from_utf8(output.expect("the test runs").stdout).expect("it prints text");
    for line in ["printed begin", "printed end", "for x", "printed Some(8)", "printed 7 4", "printed 5"] {
        assert_eq!(text.matches(line).count(), 1, "`{line}` in:\n{text}");
    }
}
