//! Attribute values are expressions.

use std::time::Duration;

use dacapo::{Retry, activity, orchestrator};

const NAME: &str = "charge-card";
const NET: Retry = Retry::exponential(Duration::from_secs(5)).backoff(2.0).max_attempts(3);

fn cap() -> usize {
    4
}

#[activity(name = NAME, retry = NET, timeout = Duration::from_secs(30), max_concurrent = cap())]
async fn charge(amount: u64) -> u64 {
    amount
}

#[activity(name = concat!("ship", "-", "order"), retry = NET.max_attempts(cap() as u32),)]
fn ship() {}

#[orchestrator(name = "checkout-v2")]
async fn checkout() {
    charge(1).retry(Retry::none()).timeout(Duration::from_secs(1)).await;
    ship().await;
}

fn main() {
    let _ = checkout();
}
