//! User code cannot hurt the worker: it runs on the executor with no lock held, and no panic of it gets out.

mod activities;
#[path = "../both/mod.rs"]
mod both;
mod entities;
mod locals;
mod places;
mod stores;

use std::future::IntoFuture as _;

use both::in_time;
use dacapo::Runtime;

#[dacapo::activity]
async fn increment(n: u32) -> u32 {
    n + 1
}

#[dacapo::orchestrator]
async fn two_steps(n: u32) -> u32 {
    increment(increment(n).await).await
}

/// Runs something else to show that the worker and its store are alive.
async fn still_works(runtime: &Runtime) {
    let run = in_time("another start", runtime.start(two_steps(1)).into_future()).await.expect("the worker goes on");
    assert_eq!(in_time("another run", run.result()).await.expect("the worker goes on"), 3);
}
