//! What an orchestrator logs or prints is written when it happens, and not again when it is replayed.

use std::process::Command;
use std::sync::{Arc, Mutex};

use dacapo::store::MemoryStore;
use dacapo::{Event, Runtime, activity, orchestrator};
use tracing_subscriber::fmt::MakeWriter;

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

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Starts a run, restarts the worker before its last turn, and finishes it. Verify mode replays every turn, besides.
async fn run_across_a_restart() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let open = || Runtime::with_store(store.clone()).verify(true).open();
    let runtime = open().await?;
    runtime.start(talks()).id("talker").await?;
    while runtime.history("talker").await?.len() < 2 {
        tokio::task::yield_now().await;
    }
    runtime.shutdown().await?;
    let runtime = open().await?;
    runtime.raise("talker", GO, 2).await?;
    assert_eq!(runtime.attach(talks, "talker").result().await?, 3);
    Ok(())
}

#[tokio::test]
async fn a_replay_logs_nothing_again() -> dacapo::Result<()> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    run_across_a_restart().await?;
    let text = String::from_utf8(log.0.lock().expect("nobody panics with it").clone())?;
    for line in ["begin", "stepped", "end 3"] {
        assert_eq!(text.matches(line).count(), 1, "`{line}` in:\n{text}");
    }
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
    for line in ["printed begin", "printed end"] {
        assert_eq!(text.matches(line).count(), 1, "`{line}` in:\n{text}");
    }
}
