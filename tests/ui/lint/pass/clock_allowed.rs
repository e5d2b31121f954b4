//! A rule that is switched off, with the reason.

use std::time::Instant;

use dacapo::{activity, orchestrator};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator(allow(clock, reason = "the time of a turn is only measured, nothing depends on it"))]
async fn timed(item: u64) -> u64 {
    let began = Instant::now();
    let price = price(item).await;
    println!("{:?}", began.elapsed());
    price
}

fn main() {}
