//! Operations of entities: they may block, and whoever delivers them goes on.

use std::future::IntoFuture as _;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use dacapo::{Client, Event, Runtime, entity, orchestrator};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::both::{Kept, on_both_stores};
use crate::{in_time, still_works};

on_both_stores! {
    operations_that_block_stall_nobody
    a_state_that_panics_when_it_is_dropped_hurts_nobody
    a_state_that_panics_when_it_is_read_or_recorded_fails_the_operation
}

/// How many operations of a test are blocked, and whether they may go on.
#[derive(Default)]
struct Gate {
    blocked: usize,
    open: bool,
}

static GATES: [(Mutex<Gate>, Condvar); 2] = [const { (Mutex::new(Gate { blocked: 0, open: false }), Condvar::new()) }; 2];

#[derive(Default, Serialize, Deserialize)]
struct Blocking {
    done: u32,
}

#[entity]
impl Blocking {
    /// Blocks its thread until the gate is open.
    fn work(&mut self, gate: usize) -> bool {
        let (gate, changed) = &GATES[gate];
        let mut inside = gate.lock().expect("nobody panics with it");
        inside.blocked += 1;
        let (inside, waited) =
            changed.wait_timeout_while(inside, Duration::from_secs(20), |gate| !gate.open).expect("nobody panics with it");
        drop(inside);
        self.done += 1;
        !waited.timed_out()
    }

    fn done(&self) -> u32 {
        self.done
    }
}

async fn operations_that_block_stall_nobody(kept: Kept) -> dacapo::Result<()> {
    let gate = usize::from(kept.path().is_some());
    let runtime = kept.runtime().open().await?;
    let client = runtime.client();
    let calls = tokio::spawn(async move {
        try_join_all((0..16).map(|n| client.call(Blocking::at(n.to_string()).work(gate)).into_future())).await
    });
    in_time("all of them block at once", async {
        while GATES[gate].0.lock().expect("nobody panics with it").blocked < 16 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // One of them has this message, too, and its mutex is free.
    let client = runtime.client();
    let behind = tokio::spawn(async move { client.call(Blocking::at("0").done()).await });
    still_works(&runtime).await;
    GATES[gate].0.lock().expect("nobody panics with it").open = true;
    GATES[gate].1.notify_all();
    assert!(in_time("the calls", calls).await??.into_iter().all(|in_time| in_time), "the executor was stalled");
    assert_eq!(in_time("the call behind", behind).await??, 1);
    Ok(runtime.shutdown().await?)
}

/// Panics in its drop once it has been told to.
#[derive(Default, Serialize, Deserialize)]
struct Bomb {
    armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.armed && !std::thread::panicking() {
            Self::at("another").arm().signal();
            panic!("the state of an entity");
        }
    }
}

#[entity]
impl Bomb {
    fn arm(&mut self) {
        self.armed = true;
    }

    fn fails(&mut self) -> Result<(), String> {
        Err("no".into())
    }
}

async fn armed(client: &Client, key: &str) {
    in_time("the call", client.call(Bomb::at(key).arm()).into_future()).await.expect("it is armed");
}

async fn a_state_that_panics_when_it_is_dropped_hurts_nobody(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().max_loaded_instances(1).open().await?;
    armed(&runtime, "evicted").await;
    armed(&runtime, "deleted").await;
    in_time("the deletion", runtime.call(Bomb::at("deleted").delete()).into_future()).await?;
    armed(&runtime, "failed").await;
    let failure = in_time("the failure", runtime.call(Bomb::at("failed").fails()).into_future()).await.expect_err("it fails");
    assert!(failure.to_string().contains("no"), "{failure}");
    armed(&runtime, "purged").await;
    in_time("the purge", runtime.purge("@bomb@purged").into_future()).await?;
    armed(&runtime, "left").await;
    still_works(&runtime).await;
    in_time("the shutdown", runtime.shutdown()).await?;
    let runtime = kept.runtime().open().await?;
    assert!(runtime.state_of::<Bomb>("another").await?.is_none(), "what a drop signals reaches nobody");
    still_works(&runtime).await;
    Ok(())
}

/// Cannot be recorded with one value, or read with another.
#[derive(Default, PartialEq)]
struct Moody(u32);

impl Serialize for Moody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, 13, "it cannot be recorded");
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u32::deserialize(deserializer)?;
        assert_ne!(value, 14, "it cannot be read");
        Ok(Self(value))
    }
}

#[entity]
impl Moody {
    fn set(&mut self, value: u32) {
        self.0 = value;
    }

    fn get(&self) -> u32 {
        self.0
    }
}

const GO: Event<u32> = Event::new("go");

#[orchestrator]
async fn sets(value: u32) -> Result<(), String> {
    Moody::at("m").set(value).checked().await.map_err(|failure| failure.message().to_owned())?;
    GO.wait().await;
    Ok(())
}

async fn set(runtime: &Runtime, value: u32) -> Result<(), String> {
    let run = runtime.start(sets(value)).await.map_err(|error| error.to_string())?;
    // Refused when the operation has failed and the run has ended by now.
    let _ = runtime.raise(run.id(), GO, 1).await;
    in_time("the run", run.result()).await
}

async fn a_state_that_panics_when_it_is_read_or_recorded_fails_the_operation(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    assert_eq!(set(&runtime, 1).await, Ok(()));
    assert!(set(&runtime, 13).await.expect_err("it cannot be recorded").contains("cannot be recorded"));
    assert_eq!(in_time("the call", runtime.call(Moody::at("m").get()).into_future()).await?, 1, "the state is as it was");
    assert_eq!(set(&runtime, 14).await, Ok(()));
    runtime.shutdown().await?;
    let runtime = kept.runtime().open().await?;
    let error = in_time("the call", runtime.call(Moody::at("m").get()).into_future()).await.expect_err("it cannot be read");
    assert!(error.to_string().contains("cannot be read"), "{error}");
    still_works(&runtime).await;
    Ok(())
}
