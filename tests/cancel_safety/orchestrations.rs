//! Futures of orchestrators that are dropped there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use dacapo::testing::Harness;
use dacapo::{Client, Runtime, activity, entity, fan_out, orchestrator, try_fan_out};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};

use crate::both::{Kept, events, on_both_stores, until};
use crate::{GO, OTHER};

/// How often an item has begun, and how often one was dropped before its end. An item above 0 waits until the gate is open.
#[derive(Default)]
struct World {
    begun: BTreeMap<u32, usize>,
    dropped: BTreeMap<u32, usize>,
    is_open: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.0.lock().expect("nobody panics with it"))
    }

    fn begun(&self) -> Vec<(u32, usize)> {
        self.with(|world| world.begun.clone().into_iter().collect())
    }

    fn dropped(&self) -> Vec<(u32, usize)> {
        self.with(|world| world.dropped.clone().into_iter().collect())
    }
}

/// Notes an item that does not come to its end.
struct Begun(Shared, u32);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.with(|world| *world.dropped.entry(self.1).or_default() += 1);
    }
}

#[activity]
async fn item(n: u32) -> dacapo::Result<u32> {
    let shared = (*dacapo::state::<Shared>()).clone();
    let waits = shared.with(|world| {
        *world.begun.entry(n).or_default() += 1;
        n > 0 && !world.is_open
    });
    let begun = Begun(shared, n);
    if waits {
        std::future::pending::<()>().await;
    }
    std::mem::forget(begun);
    Ok(n)
}

const ITEMS: [u32; 4] = [0, 1, 2, 3];

/// Gives up a fan-out when it is told to, then makes it once more.
#[orchestrator]
async fn gives_up(kind: u32) -> Vec<u32> {
    match kind {
        0 => {
            dacapo::select! { _ = fan_out(ITEMS, item).limit(2) => return vec![], _ = GO.wait() => () }
            GO.wait().await;
            fan_out(ITEMS, item).limit(2).await.into_iter().flatten().collect()
        }
        1 => {
            dacapo::select! { _ = try_fan_out(ITEMS, item).limit(2) => return vec![], _ = GO.wait() => () }
            GO.wait().await;
            try_fan_out(ITEMS, item).limit(2).await.unwrap_or_default()
        }
        2 => {
            dacapo::select! { _ = fan_out(ITEMS, item).limit(2).tolerate_failures(1) => return vec![], _ = GO.wait() => () }
            GO.wait().await;
            let all = fan_out(ITEMS, item).limit(2).tolerate_failures(1).await;
            all.into_iter().flatten().flatten().collect()
        }
        _ => {
            dacapo::select! { _ = fan_out(ITEMS, item).limit(2).need_successes(4) => return vec![], _ = GO.wait() => () }
            GO.wait().await;
            let all = fan_out(ITEMS, item).limit(2).need_successes(4).await;
            all.into_iter().flatten().map(|(_, n)| n).collect()
        }
    }
}

async fn a_dropped_fan_out_cancels_its_calls_and_its_results_are_lost(kept: Kept) -> dacapo::Result<()> {
    for kind in 0..4 {
        let shared = Shared::default();
        let runtime = kept.runtime().state(shared.clone()).open().await?;
        let run = runtime.start(gives_up(kind)).await?;
        until("two are under way", async || shared.begun() == [(0, 1), (1, 1), (2, 1)]).await;
        run.raise(GO, 1).await?;
        until("both are cancelled", async || shared.dropped() == [(1, 1), (2, 1)]).await;
        shared.with(|world| world.is_open = true);
        run.raise(GO, 2).await?;
        assert_eq!(run.result().await?, ITEMS, "kind {kind}");
        assert_eq!(shared.begun(), [(0, 2), (1, 2), (2, 2), (3, 1)], "kind {kind}: all but the last ran twice");
        runtime.shutdown().await?;
    }
    Ok(())
}

/// Those who were in a critical section, in their order.
#[derive(Default, Serialize, Deserialize)]
struct Visitors {
    names: Vec<String>,
}

#[entity]
impl Visitors {
    fn enter(&mut self, name: String) {
        self.names.push(name);
    }
}

/// Enters and stays until it is told to go.
#[orchestrator]
async fn enters(key: String, name: String) {
    let visitors = Visitors::at(key);
    let _guard = dacapo::lock(visitors.clone()).await;
    visitors.enter(name).await;
    GO.wait().await;
}

/// Leaves the line when it is told to; with 1 it stands in line once more.
#[orchestrator]
async fn leaves_the_line(key: String, name: String) {
    let again = dacapo::select! { _guard = dacapo::lock(Visitors::at(&key)) => return, n = GO.wait() => n };
    if again == 1 {
        enters(key, name).await;
    }
}

async fn visitors(client: &Client, key: &str) -> Vec<String> {
    client.state_of::<Visitors>(key).await.expect("it is readable").unwrap_or_default().names
}

async fn a_dropped_wait_for_a_lock_loses_its_place_and_holds_up_nobody(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for again in [0, 1] {
        let key = format!("door {again}");
        let call = |name: &str| (key.clone(), name.to_owned());
        let enter = |(key, name)| runtime.start(enters(key, name));
        let first = enter(call("first")).await?;
        until("the first is in", async || visitors(&runtime, &key).await == ["first"]).await;
        let (of, name) = call("second");
        let second = runtime.start(leaves_the_line(of, name)).id(format!("second {again}")).await?;
        second.started().await?;
        let third = enter(call("third")).await?;
        third.started().await?;
        second.raise(GO, again).await?;
        match again {
            0 => second.result().await?,
            _ => {
                let child = format!("{}:3", second.id());
                let asked = async || events(&runtime, &child).await.iter().any(|event| event == "EntityLockRequested");
                until("it stands in line again", async || runtime.status(&child).await.is_ok() && asked().await).await;
                runtime.raise(&child, GO, 0).await?;
            }
        }
        first.raise(GO, 0).await?;
        third.raise(GO, 0).await?;
        third.result().await?;
        second.result().await?;
        let expected: &[&str] = if again == 0 { &["first", "third"] } else { &["first", "third", "second"] };
        assert_eq!(visitors(&runtime, &key).await, expected);
    }
    Ok(())
}

on_both_stores! {
    a_dropped_fan_out_cancels_its_calls_and_its_results_are_lost
    a_dropped_wait_for_a_lock_loses_its_place_and_holds_up_nobody
}

/// How long an orchestration has run.
fn since(begun: SystemTime) -> u64 {
    dacapo::now().duration_since(begun).unwrap_or_default().as_secs()
}

/// Drops a timeout of a minute after 40 s, and begins another.
#[orchestrator]
async fn drops_a_timeout() -> (u64, u32) {
    let minute = Duration::from_secs(60);
    let begun = dacapo::now();
    dacapo::select! { _ = dacapo::timeout(minute, OTHER.wait()) => (), () = dacapo::sleep(Duration::from_secs(40)) => () }
    let passed = dacapo::timeout(minute, OTHER.wait()).await.is_err();
    let passed = if passed { since(begun) } else { 0 };
    (passed, OTHER.wait().await)
}

#[test]
fn a_timeout_after_a_dropped_one_starts_from_the_beginning() {
    let harness = Harness::new();
    let run = harness.start(drops_a_timeout());
    harness.advance(Duration::from_secs(101));
    harness.client(|client| async move { client.raise("run-1", OTHER, 7).await }).expect("it waits");
    assert_eq!(run.result(), Ok((100, 7)));
}

/// Asks for its next execution and drops that future; then waits, or ends.
#[orchestrator]
async fn drops_its_next_execution(execution: u32, waits: bool) -> u32 {
    if execution == 0 {
        assert!(dacapo::continue_as_new(drops_its_next_execution(1, waits)).now_or_never().is_none());
        if waits {
            GO.wait().await;
        }
    }
    execution
}

#[tokio::test]
async fn a_next_execution_that_was_asked_for_begins_though_the_future_is_dropped() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    for waits in [true, false] {
        let run = runtime.start(drops_its_next_execution(0, waits)).await?;
        assert_eq!(run.result().await?, 1, "waits: {waits}");
    }
    Ok(())
}
