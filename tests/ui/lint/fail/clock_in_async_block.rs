//! An async block of the body is part of the body.

use std::time::SystemTime;

use dacapo::{activity, orchestrator};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn stamped(item: u64) -> (u64, SystemTime) {
    let call = async { (price(item).await, SystemTime::now()) };
    call.await
}

fn main() {}
