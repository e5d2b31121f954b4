//! Calls that are started run side by side without a task.

use dacapo::{activity, orchestrator};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn offer(item: u64) -> u64 {
    let first = price(item).start();
    let second = price(item + 1).start();
    first.await + second.await
}

fn main() {}
