//! Verify mode: what no rule can see is caught in the first run, and parked with both places.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use dacapo::{Runtime, Status, activity, orchestrator};

/// Where the time comes from; the orchestrator cannot see through it, and neither can the lint.
trait Clock: Send + Sync {
    fn read(&self) -> u128;
}

struct Wall;

impl Clock for Wall {
    fn read(&self) -> u128 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos())
    }
}

struct Stopped;

impl Clock for Stopped {
    fn read(&self) -> u128 {
        7
    }
}

fn clock(name: &str) -> Box<dyn Clock> {
    if name == "wall" { Box::new(Wall) } else { Box::new(Stopped) }
}

#[activity]
async fn stamp(time: String) -> String {
    time
}

#[orchestrator]
async fn stamps(clock_name: String) -> String {
    let hidden = clock(&clock_name);
    let first = stamp("first".into()).await;
    let second = stamp(hidden.read().to_string()).await;
    format!("{first} {second}")
}

async fn settled(runtime: &Runtime, id: &str) -> dacapo::InstanceStatus {
    let settled = async {
        loop {
            let status = runtime.status(id).await.expect("it is there");
            if status.runtime_status() != Status::Running {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.expect("it settles in time")
}

#[tokio::test]
async fn a_clock_behind_a_trait_object_is_caught_in_the_first_run() -> dacapo::Result<()> {
    let runtime = Runtime::builder("memory:").verify(true).open().await?;
    runtime.start(stamps("wall".into())).id("wall").await?;
    let status = settled(&runtime, "wall").await;
    assert_eq!(status.runtime_status(), Status::Suspended);
    let report = status.report().expect("it says why");
    assert_eq!(report.matches("call 2 of activity `stamp` with `\"").count(), 2, "{report}");
    assert_eq!(report.matches("at tests/verify.rs:").count(), 2, "{report}");
    assert!(report.contains("such as a clock"), "{report}");

    runtime.start(stamps("stopped".into())).id("stopped").await?;
    assert_eq!(settled(&runtime, "stopped").await.output().map(dacapo::Payload::as_str), Some("\"first 7\""));
    Ok(())
}

#[tokio::test]
async fn without_verify_mode_nothing_is_run_twice() -> dacapo::Result<()> {
    let runtime = Runtime::builder("memory:").verify(false).open().await?;
    let run = runtime.start(stamps("wall".into())).await?;
    assert!(run.result().await?.starts_with("first "));
    Ok(())
}

#[activity]
async fn counted(items: HashMap<String, u64>) -> u64 {
    items.len() as u64
}

#[orchestrator]
async fn count_twice(items: HashMap<String, u64>) -> u64 {
    counted(items.clone()).await + counted(items).await
}

#[tokio::test]
async fn a_hash_map_as_an_argument_is_the_same_call_in_every_replay() -> dacapo::Result<()> {
    let runtime = Runtime::builder("memory:").verify(true).open().await?;
    let items = (0..20).map(|index| (format!("item {index}"), index)).collect();
    runtime.start(count_twice(items)).id("counted").await?;
    let status = settled(&runtime, "counted").await;
    assert_eq!(status.output().map(dacapo::Payload::as_str), Some("40"), "{:?}", status.report());
    Ok(())
}
