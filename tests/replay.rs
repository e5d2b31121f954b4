//! What happens to running orchestrations when the code changes: they are parked with a report, and nothing is lost.
//!
//! Two builds of one program are two modules here, each registered by hand.

#[path = "support/wait.rs"]
mod wait;

use std::sync::Arc;

use dacapo::store::MemoryStore;
use dacapo::{Client, ErrorKind, Event, Payload, Runtime, Status};
use wait::{has_turns, reaches, reported};

const GO: Event<u32> = Event::new("go");

mod old {
    use super::GO;

    #[dacapo::activity]
    pub(crate) async fn work(n: u32) -> u32 {
        n + 1
    }

    /// Works, waits, and returns both.
    #[dacapo::orchestrator(name = "job")]
    pub(crate) async fn job(n: u32) -> (u32, u32) {
        let worked = work(n).await;
        (worked, GO.wait().await)
    }
}

mod new {
    use super::{GO, old};

    /// The same name, other code.
    #[dacapo::orchestrator(name = "job")]
    pub(crate) async fn job(n: u32) -> (u32, u32) {
        let worked = old::work(n + 1).await;
        (worked, GO.wait().await)
    }
}

async fn build(store: &MemoryStore, which: &str) -> Runtime {
    let builder = Runtime::with_store(store.clone()).only_registered().register(old::work);
    let builder = match which {
        "old" => builder.register(old::job),
        "new" => builder.register(new::job),
        _ => builder,
    };
    builder.open().await.expect("it opens")
}

async fn started(store: &MemoryStore) {
    let runtime = build(store, "old").await;
    runtime.start(old::job(1)).id("job-1").await.expect("it starts");
    has_turns(&runtime, "job-1", 2).await;
    runtime.shutdown().await.expect("it closes");
}

#[tokio::test]
async fn changed_code_parks_a_run_with_both_places_and_the_old_code_finishes_it() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    started(&store).await;

    let runtime = build(&store, "new").await;
    runtime.raise("job-1", GO, 7).await?;
    let status = reported(&runtime, "job-1").await;
    let report = status.report().expect("it says why");
    assert!(report.contains("recorded: call 1 of activity `work` with `1` at tests/replay.rs:"), "{report}");
    assert!(report.contains("now:      call 1 of activity `work` with `2` at tests/replay.rs:"), "{report}");
    assert!(report.contains("the run was started by other code"), "{report}");
    let error = runtime.resume("job-1", "try again").await.expect_err("the code is still another");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("recorded: call 1"), "{error}");
    assert_eq!(runtime.status("job-1").await?.runtime_status(), Status::Suspended);
    runtime.shutdown().await?;

    let runtime = build(&store, "old").await;
    assert_eq!(runtime.attach(old::job, "job-1").result().await?, (2, 7), "the event raised meanwhile was kept");
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn of_a_run_from_another_process_it_is_not_said_which_code_began_it() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let client = Client::connect_store(Arc::new(store.clone()))?;
    client.start(old::job(1)).id("job-1").await?;
    let runtime = build(&store, "old").await;
    client.attach(old::job, "job-1").started().await?;
    runtime.shutdown().await?;

    let runtime = build(&store, "new").await;
    runtime.raise("job-1", GO, 7).await?;
    let status = reported(&runtime, "job-1").await;
    let report = status.report().expect("it says why");
    assert!(report.contains("it was started from another process, so which code it began with is not known"), "{report}");
    Ok(())
}

#[tokio::test]
async fn a_missing_orchestrator_parks_a_run_and_never_speaks_of_differences() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    started(&store).await;
    let runtime = build(&store, "neither").await;
    runtime.raise("job-1", GO, 8).await?;
    let status = reported(&runtime, "job-1").await;
    let report = status.report().expect("it says why");
    assert!(report.contains("no orchestrator named `job` is registered"), "{report}");
    assert!(!report.contains("does not follow"), "{report}");
    runtime.shutdown().await?;

    let runtime = build(&store, "old").await;
    assert_eq!(runtime.attach(old::job, "job-1").result().await?, (2, 8));
    Ok(())
}

#[tokio::test]
async fn a_parked_run_can_be_terminated() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    started(&store).await;
    let runtime = build(&store, "new").await;
    runtime.raise("job-1", GO, 9).await?;
    reaches(&runtime, "job-1", Status::Suspended).await;
    runtime.terminate("job-1", "given up").await?;
    let status = reaches(&runtime, "job-1", Status::Terminated).await;
    assert_eq!(status.failure().map(dacapo::Failure::message), Some("terminated: given up"));
    assert_eq!(status.report(), None, "it is parked no more");
    assert_eq!(status.input().map(Payload::as_str), Some("1"));
    Ok(())
}

#[tokio::test]
async fn two_functions_of_one_name_are_refused_with_both_places() {
    let builder = Runtime::builder("memory:").only_registered().register(old::job).register(new::job);
    let Err(error) = builder.open().await else { panic!("it opened with two jobs") };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("two orchestrators are named `job`"), "{error}");
    assert_eq!(error.to_string().matches("tests/replay.rs:").count(), 2, "{error}");
}

#[tokio::test]
async fn a_start_of_what_is_not_registered_says_what_is() {
    let runtime = build(&MemoryStore::new(), "neither").await;
    let error = runtime.start(old::job(1)).await.expect_err("nothing runs it");
    assert!(error.to_string().contains("no orchestrator named `job` is registered"), "{error}");
}
