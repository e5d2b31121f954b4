//! Arguments whose sets have another order after a restart are the same arguments, and where code is checked they are told.

mod basket;
#[path = "../both/mod.rs"]
mod both;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use basket::{Basket, CHANGED};
use both::{Kept, events, on_both_stores, reaches, until};
use dacapo::testing::Harness;
use dacapo::{Event, Payloads, Runtime, Status, activity, entity, orchestrator};

const GO: Event<()> = Event::new("go");

/// How many items a small and a large basket have: the arguments of the large ones are stored out of line.
const SMALL: usize = 20;
const LARGE: usize = 200;

/// What happened outside, and what is to happen.
#[derive(Clone, Default)]
struct World(Arc<(AtomicUsize, AtomicBool)>);

#[activity]
async fn weigh(basket: Basket) -> usize {
    dacapo::state::<World>().0.0.fetch_add(1, Ordering::SeqCst);
    basket.len()
}

#[activity]
async fn ships() -> dacapo::Result<usize> {
    let is_repaired = dacapo::state::<World>().0.1.load(Ordering::SeqCst);
    if is_repaired { Ok(1) } else { Err(dacapo::Error::msg("no van")) }
}

#[orchestrator]
async fn weighs_in_a_child(basket: Basket) -> usize {
    basket.len()
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Shelf {
    items: usize,
}

#[entity]
impl Shelf {
    fn put(&mut self, basket: Basket) -> usize {
        self.items += basket.len();
        self.items
    }
}

/// Makes every kind of call with a basket, and waits.
#[orchestrator]
async fn calls(prefix: String, count: usize) -> usize {
    let weight = weigh(Basket::of(&prefix, count)).await;
    let child = weighs_in_a_child(Basket::of(&prefix, count)).await;
    Shelf::at("s").put(Basket::of(&prefix, count)).signal();
    let put = Shelf::at("s").put(Basket::of(&prefix, count)).await;
    GO.wait().await;
    weight + child + put
}

/// Calls with other items in the build that has changed.
#[orchestrator]
async fn weighs(prefix: String, count: usize) -> usize {
    let weight = weigh(Basket::of_this_build(&prefix, count)).await;
    GO.wait().await;
    weight
}

/// Fails after a call with a basket.
#[orchestrator]
async fn delivers(count: usize) -> dacapo::Result<usize> {
    GO.wait().await;
    let (weight, shipped) = dacapo::join!(weigh(Basket::of("item", count)), ships());
    Ok(weight + shipped?)
}

async fn open(kept: &Kept, world: &World, verify: bool) -> Runtime {
    let payloads = Payloads::default().out_of_line_above(1_000);
    let builder = kept.runtime().payloads(payloads).state(world.clone()).verify(verify).grace_period(Duration::ZERO);
    builder.open().await.expect("it opens")
}

async fn has(runtime: &Runtime, id: &str, event: &str) {
    until(event, async || events(runtime, id).await.iter().any(|name| name == event)).await;
}

async fn a_set_in_an_argument_is_the_same_call_after_a_restart(kept: Kept) -> dacapo::Result<()> {
    let world = World::default();
    for (id, count) in [("small", SMALL), ("large", LARGE)] {
        let runtime = open(&kept, &world, false).await;
        runtime.start(calls("item".into(), count)).id(id).await?;
        has(&runtime, id, "EntityOperationCompleted").await;
        runtime.shutdown().await?;
        let runtime = open(&kept, &world, false).await;
        runtime.raise(id, GO, ()).await?;
        until("it goes on", async || runtime.status(id).await.is_ok_and(|status| status.runtime_status() != Status::Running))
            .await;
        let status = runtime.status(id).await?;
        assert_eq!(status.runtime_status(), Status::Completed, "{:?}", status.report());
        runtime.shutdown().await?;
    }
    assert_eq!(world.0.0.load(Ordering::SeqCst), 2, "no call was made twice");
    Ok(())
}

async fn a_call_with_a_set_is_not_made_again_after_a_rewind(kept: Kept) -> dacapo::Result<()> {
    let world = World::default();
    for (id, count) in [("small", SMALL), ("large", LARGE)] {
        world.0.1.store(false, Ordering::SeqCst);
        let before = world.0.0.load(Ordering::SeqCst);
        let runtime = open(&kept, &world, false).await;
        let run = runtime.start(delivers(count)).id(id).await?;
        run.raise(GO, ()).await?;
        run.result().await.expect_err("there is no van");
        runtime.shutdown().await?;
        world.0.1.store(true, Ordering::SeqCst);
        let runtime = open(&kept, &world, false).await;
        runtime.rewind(id, "the van is back").await?;
        reaches(&runtime, id, Status::Completed).await;
        assert_eq!(runtime.attach(delivers, id).result().await?, count + 1);
        assert_eq!(world.0.0.load(Ordering::SeqCst), before + 1, "{id}: what was completed has its result");
        runtime.shutdown().await?;
    }
    Ok(())
}

on_both_stores! {
    a_set_in_an_argument_is_the_same_call_after_a_restart
    a_call_with_a_set_is_not_made_again_after_a_rewind
}

#[tokio::test]
async fn other_arguments_are_another_call_and_so_are_those_that_are_missing() -> dacapo::Result<()> {
    let (kept, world) = (Kept::file(), World::default());
    let runtime = open(&kept, &world, false).await;
    for (id, count) in [("small", SMALL), ("large", LARGE), ("missing", LARGE)] {
        runtime.start(weighs("item".into(), count)).id(id).await?;
        has(&runtime, id, "TaskCompleted").await;
    }
    runtime.shutdown().await?;
    let database = rusqlite::Connection::open(kept.path().expect("a file")).expect("it opens");
    let sql = "DELETE FROM payload WHERE instance = (SELECT key FROM instance WHERE id = 'missing')";
    assert_eq!(database.execute(sql, []).expect("SQL"), 1);
    drop(database);
    CHANGED.store(true, Ordering::SeqCst);
    let runtime = open(&kept, &world, false).await;
    for id in ["small", "large", "missing"] {
        runtime.raise(id, GO, ()).await?;
        let status = reaches(&runtime, id, Status::Suspended).await;
        assert!(status.report().is_some_and(|report| report.contains("call 1 of activity `weigh`")), "{:?}", status.report());
    }
    runtime.shutdown().await?;
    CHANGED.store(false, Ordering::SeqCst);
    let runtime = open(&kept, &world, false).await;
    for (id, count) in [("small", SMALL), ("large", LARGE)] {
        reaches(&runtime, id, Status::Completed).await;
        assert_eq!(runtime.attach(weighs, id).result().await?, count);
    }
    Ok(())
}

#[tokio::test]
async fn verify_mode_tells_of_a_set_and_takes_up_what_was_recorded() -> dacapo::Result<()> {
    let (kept, world) = (Kept::file(), World::default());
    let runtime = open(&kept, &world, false).await;
    runtime.start(weighs_twice(SMALL)).id("recorded").await?;
    has(&runtime, "recorded", "TaskCompleted").await;
    runtime.shutdown().await?;

    let runtime = open(&kept, &world, true).await;
    let run = runtime.start(weighs_twice(SMALL)).id("new").await?;
    let parked = reaches(&runtime, "new", Status::Suspended).await;
    let report = parked.report().expect("it says why");
    assert!(report.contains("[hash_order, see docs/rules.md#hash_order]"), "{report}");
    assert_eq!(report.matches("call 1 of activity `weigh`").count(), 2, "{report}");
    run.terminate("seen").await?;
    // What was recorded is taken up, and the turn after it is checked.
    runtime.raise("recorded", GO, ()).await?;
    let parked = reaches(&runtime, "recorded", Status::Suspended).await;
    assert!(parked.report().is_some_and(|report| report.contains("call 2 of activity `weigh`")), "{:?}", parked.report());
    runtime.shutdown().await?;

    let runtime = open(&kept, &world, false).await;
    reaches(&runtime, "recorded", Status::Completed).await;
    assert_eq!(runtime.attach(weighs_twice, "recorded").result().await?, 2 * SMALL);
    Ok(())
}

#[orchestrator]
async fn weighs_twice(count: usize) -> usize {
    let first = weigh(Basket::of("item", count)).await;
    GO.wait().await;
    first + weigh(Basket::of("item", count)).await
}

#[test]
#[should_panic(expected = "[hash_order, see docs/rules.md#hash_order]")]
fn a_harness_tells_of_a_set() {
    let harness = Harness::new();
    harness.mock(weigh, |basket| basket.len());
    assert_eq!(harness.run(weighs_twice(SMALL)), Ok(2 * SMALL));
}
