//! Locals of orchestrators that panic, or ask something of the run, when they are dropped.

use std::future::IntoFuture as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dacapo::store::Store as _;
use dacapo::{Client, Durable, Event, FailureKind, Status, orchestrator};
use serde::{Deserialize, Serialize};

use crate::both::{Kept, on_both_stores, reaches, until};
use crate::{in_time, still_works};

on_both_stores! {
    a_termination_drops_locals_without_harm
    a_suspension_drops_locals_without_harm
    parking_drops_locals_without_harm
    an_eviction_drops_locals_without_harm
    a_shutdown_drops_locals_without_harm
    a_worker_that_was_replaced_drops_locals_without_harm
    a_dropped_runtime_drops_locals_without_harm
    continuing_as_new_drops_locals_without_harm
    a_panic_in_a_drop_fails_a_run_that_completes
    a_panic_in_the_drop_of_a_loser_fails_the_run
    a_purge_follows_a_drop_that_panics
    a_call_without_a_place_for_its_failure_drops_locals_without_harm
}

const GO: Event<u32> = Event::new("go");

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Bad {
    /// Panics when it is dropped.
    Panics,
    /// Asks everything there is to ask.
    Asks,
}

const BOTH: [Bad; 2] = [Bad::Panics, Bad::Asks];

struct Local(Bad);

impl Drop for Local {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        match self.0 {
            Bad::Panics => panic!("a local of the orchestrator"),
            Bad::Asks => ask(),
        }
    }
}

fn ask() {
    assert!(dacapo::now() > std::time::UNIX_EPOCH);
    assert!(!dacapo::instance_id().is_empty());
    assert_eq!(dacapo::parent_id(), None);
    let _ = (dacapo::new_uuid(), dacapo::is_replaying(), dacapo::rng());
}

/// Also asks for what would be recorded, where that cannot change the outcome of the test.
struct Records;

impl Drop for Records {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(dacapo::side_effect(|| 7), 7);
            let _ = dacapo::patched("in-a-drop");
            dacapo::set_custom_status(&"dropped");
        }
    }
}

#[orchestrator]
async fn holds(bad: Bad) -> u32 {
    let _records = Records;
    let _local = Local(bad);
    GO.wait().await
}

#[orchestrator]
async fn holds_until_it_goes(bad: Bad) -> u32 {
    let local = Local(bad);
    let n = GO.wait().await;
    std::mem::forget(local);
    n
}

/// Nothing of the run is left in the thread.
fn no_scope_is_left() {
    assert!(catch_unwind(AssertUnwindSafe(dacapo::now)).is_err(), "this thread still counts as an orchestrator");
}

async fn waiting(client: &Client, bad: Bad, id: &str) {
    let run = client.start(holds_until_it_goes(bad)).id(id).await.expect("it starts");
    reaches(client, run.id(), Status::Running).await;
}

async fn a_termination_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        let run = runtime.start(holds(bad)).id(format!("{bad:?}")).await?;
        in_time("the termination", runtime.terminate(run.id(), "enough")).await?;
        let failure = in_time("the end", run.result()).await.expect_err("it is terminated");
        assert_eq!(failure.kind(), FailureKind::Terminated);
        let history: Vec<_> = runtime.history(run.id()).await?.into_iter().flat_map(|turn| turn.events).collect();
        assert_eq!(history.len(), 2, "what a drop asks for is not recorded: {history:?}");
        no_scope_is_left();
    }
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

async fn a_suspension_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        let id = format!("{bad:?}");
        waiting(&runtime, bad, &id).await;
        in_time("the suspension", runtime.suspend(&id, "a break")).await?;
        no_scope_is_left();
        in_time("the resumption", runtime.resume(&id, "go on")).await?;
        runtime.raise(&id, GO, 1).await?;
        assert_eq!(in_time("the end", runtime.attach(holds_until_it_goes, &id).result()).await?, 1);
    }
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

/// Wakes its task from outside, which no orchestrator may.
struct Impostor;

impl Future for Impostor {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        let waker = cx.waker().clone();
        std::thread::spawn(move || waker.wake());
        std::task::Poll::Pending
    }
}

impl Durable for Impostor {}

#[orchestrator]
async fn is_parked(bad: Bad) {
    let _local = Local(bad);
    Impostor.await;
}

async fn parking_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        let run = runtime.start(is_parked(bad)).id(format!("{bad:?}")).await?;
        let status = reaches(&runtime, run.id(), Status::Suspended).await;
        assert!(status.report().is_some_and(|report| report.contains("woken")), "{status:?}");
        no_scope_is_left();
    }
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

async fn an_eviction_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().max_loaded_instances(1).open().await?;
    for bad in BOTH {
        let id = format!("{bad:?}");
        waiting(&runtime, bad, &id).await;
    }
    still_works(&runtime).await;
    until("all but one are evicted", async || runtime.loaded_instances() <= 1).await;
    for bad in BOTH {
        let id = format!("{bad:?}");
        in_time("the event", runtime.raise(&id, GO, 3)).await?;
        assert_eq!(in_time("the end", runtime.attach(holds_until_it_goes, &id).result()).await?, 3);
    }
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

async fn a_shutdown_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        waiting(&runtime, bad, &format!("{bad:?}")).await;
    }
    in_time("the shutdown", runtime.shutdown()).await?;
    no_scope_is_left();
    goes_on(&kept).await
}

async fn a_dropped_runtime_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        waiting(&runtime, bad, &format!("{bad:?}")).await;
    }
    drop(runtime);
    no_scope_is_left();
    goes_on(&kept).await
}

/// A later runtime finishes what an earlier one has left.
async fn goes_on(kept: &Kept) -> dacapo::Result<()> {
    let runtime = in_time("the store is free", kept.runtime().standby(true).open()).await?;
    for bad in BOTH {
        let id = format!("{bad:?}");
        in_time("the event", runtime.raise(&id, GO, 2)).await?;
        assert_eq!(in_time("the end", runtime.attach(holds_until_it_goes, &id).result()).await?, 2);
    }
    Ok(runtime.shutdown().await.map(drop)?)
}

async fn a_worker_that_was_replaced_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        waiting(&runtime, bad, &format!("{bad:?}")).await;
    }
    match (&kept, kept.path()) {
        (Kept::Memory(store), _) => drop(store.claim(false, Vec::new()).await?),
        // The lock keeps a second worker out, so the epoch is moved by hand.
        (Kept::File(_), path) => {
            let database = rusqlite::Connection::open(path.expect("a file has a path")).expect("it opens");
            database.execute("UPDATE claim SET epoch = epoch + 1", []).expect("it is claimed");
        }
    }
    in_time("the refusal", runtime.raise("Asks", GO, 1)).await.expect_err("another worker has the store");
    no_scope_is_left();
    in_time("the shutdown", runtime.shutdown()).await.map(drop)?;
    Ok(())
}

#[orchestrator]
async fn renews(bad: Bad, left: u32) -> u32 {
    let _local = (left > 0).then(|| Local(bad));
    let held = GO.wait();
    if left == 0 {
        return held.await;
    }
    dacapo::continue_as_new(renews(bad, left - 1)).await
}

async fn continuing_as_new_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        let run = runtime.start(renews(bad, 2)).id(format!("{bad:?}")).await?;
        no_scope_is_left();
        in_time("the event", runtime.raise(run.id(), GO, 5)).await?;
        assert_eq!(in_time("the end", run.result()).await?, 5);
    }
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

async fn a_panic_in_a_drop_fails_a_run_that_completes(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    let run = runtime.start(holds(Bad::Panics)).await?;
    runtime.raise(run.id(), GO, 1).await?;
    let failure = in_time("the end", run.result()).await.expect_err("a panic fails it");
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Panic, "a local of the orchestrator"));
    let run = runtime.start(holds(Bad::Asks)).await?;
    runtime.raise(run.id(), GO, 1).await?;
    assert_eq!(in_time("the end", run.result()).await?, 1);
    no_scope_is_left();
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

#[orchestrator(inline)]
async fn loses(bad: Bad) -> u32 {
    let _local = Local(bad);
    GO.wait().await
}

#[orchestrator]
async fn races(bad: Bad) -> u32 {
    dacapo::select! { n = loses(bad) => n, n = crate::increment(1) => n }
}

async fn a_panic_in_the_drop_of_a_loser_fails_the_run(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    let failure = in_time("the end", runtime.start(races(Bad::Panics)).await?.result()).await.expect_err("a panic fails it");
    assert_eq!(failure.message(), "a local of the orchestrator");
    assert_eq!(in_time("the end", runtime.start(races(Bad::Asks)).await?.result()).await?, 2);
    no_scope_is_left();
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

async fn a_purge_follows_a_drop_that_panics(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        waiting(&runtime, bad, "purged").await;
        in_time("the termination", runtime.terminate("purged", "enough")).await?;
        assert_eq!(in_time("the purge", runtime.purge("purged").into_future()).await?, 1);
    }
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}

#[dacapo::activity(retry = dacapo::Retry::none())]
async fn breaks() -> u32 {
    panic!("it breaks")
}

#[orchestrator]
async fn has_no_place_for_a_failure(bad: Bad) -> u32 {
    let _local = Local(bad);
    breaks().await
}

async fn a_call_without_a_place_for_its_failure_drops_locals_without_harm(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for bad in BOTH {
        let run = runtime.start(has_no_place_for_a_failure(bad)).await?;
        let failure = in_time("the end", run.result()).await.expect_err("it fails");
        assert!(failure.message().contains("`breaks` failed"), "{failure}");
        no_scope_is_left();
    }
    still_works(&runtime).await;
    Ok(runtime.shutdown().await.map(drop)?)
}
