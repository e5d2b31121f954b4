//! Values that are got once and recorded.

#[path = "support/wait.rs"]
mod wait;

use std::sync::atomic::{AtomicU32, Ordering};

use dacapo::store::{Event as Recorded, MemoryStore};
use dacapo::{Event, FailureKind, Runtime, activity, orchestrator};
use wait::{has_turns, reported};

const GO: Event<()> = Event::new("go");

static RUNS: AtomicU32 = AtomicU32::new(0);

#[activity]
async fn double(n: u32) -> u32 {
    2 * n
}

/// Counts itself, calls with what it got, and counts again after an event.
#[orchestrator]
async fn counts() -> (u32, u32, u32) {
    let first = dacapo::side_effect(|| RUNS.fetch_add(1, Ordering::SeqCst));
    let doubled = double(first).await;
    GO.wait().await;
    let second = dacapo::side_effect(|| RUNS.fetch_add(1, Ordering::SeqCst));
    GO.wait().await;
    (first, doubled, second)
}

#[tokio::test]
async fn a_side_effect_runs_once_and_every_replay_sees_what_it_gave() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let open =
        async || Runtime::with_store(store.clone()).verify(true).only_registered().register(double).register(counts).open().await;
    let first = open().await?;
    first.start(counts()).id("counts").await?;
    has_turns(&first, "counts", 2).await;
    drop(first);
    assert_eq!(RUNS.load(Ordering::SeqCst), 1);
    RUNS.store(40, Ordering::SeqCst);

    let second = open().await?;
    second.raise("counts", GO, ()).await?;
    has_turns(&second, "counts", 3).await;
    drop(second);

    let third = open().await?;
    third.raise("counts", GO, ()).await?;
    assert_eq!(third.attach(counts, "counts").result().await?, (0, 0, 40));
    assert_eq!(RUNS.load(Ordering::SeqCst), 41, "no replay ran it, and verify mode neither");
    let history = third.history("counts").await?;
    let recorded = history.iter().flat_map(|turn| &turn.events).filter(|event| matches!(event, Recorded::SideEffect { .. }));
    assert_eq!(recorded.count(), 2);
    Ok(())
}

/// An integer map has no JSON form with such keys.
#[orchestrator]
async fn cannot_be_kept() -> usize {
    dacapo::side_effect(|| std::collections::BTreeMap::from([(vec![1_u8], 2_u8)])).len()
}

#[orchestrator]
async fn breaks(n: u32) -> u32 {
    double(n).await;
    dacapo::side_effect(|| {
        assert!(n > 100, "{n} is too small");
        n
    })
}

#[tokio::test]
async fn a_side_effect_that_panics_or_cannot_be_recorded_fails_the_run() -> dacapo::Result<()> {
    let runtime = Runtime::builder("memory:")
        .verify(true)
        .only_registered()
        .register(double)
        .register(cannot_be_kept)
        .register(breaks)
        .open()
        .await?;
    let failure = runtime.start(cannot_be_kept()).await?.result().await.expect_err("it has no JSON form");
    assert_eq!(failure.kind(), FailureKind::Codec);
    let failure = runtime.start(breaks(1)).await?.result().await.expect_err("it panics");
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Panic, "1 is too small"));
    assert_eq!(runtime.start(breaks(101)).await?.result().await?, 101);
    Ok(())
}

mod old {
    use super::{GO, double};

    #[dacapo::orchestrator(name = "job")]
    pub(crate) async fn job(n: u32) -> u32 {
        let doubled = double(n).await;
        GO.wait().await;
        doubled
    }
}

mod new {
    use super::{GO, double};

    #[dacapo::orchestrator(name = "job")]
    pub(crate) async fn job(n: u32) -> u32 {
        let extra: u32 = dacapo::side_effect::<u32>(|| unreachable!("a replay must not run it"));
        let doubled = double(n).await;
        GO.wait().await;
        doubled + extra
    }
}

#[tokio::test]
async fn a_side_effect_that_the_history_does_not_know_parks_the_run() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let build = || Runtime::with_store(store.clone()).only_registered().register(double);
    let first = build().register(old::job).open().await?;
    first.start(old::job(4)).id("job").await?;
    has_turns(&first, "job", 2).await;
    drop(first);
    let second = build().register(new::job).open().await?;
    second.raise("job", GO, ()).await?;
    let status = reported(&second, "job").await;
    let report = status.report().expect("it is parked");
    assert!(report.contains("recorded: call 1 of activity `double` with `4` at tests/side_effect.rs:"), "{report}");
    assert!(report.contains("now:      call 1 of a side effect at tests/side_effect.rs:"), "{report}");
    drop(second);
    let third = build().register(old::job).open().await?;
    assert_eq!(third.attach(old::job, "job").result().await?, 8);
    Ok(())
}
