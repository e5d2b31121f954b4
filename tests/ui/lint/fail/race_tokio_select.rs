//! `tokio::select!` polls in random order.

use std::time::Duration;

#[dacapo::activity]
async fn price(item: u64) -> u64 {
    item
}

#[dacapo::orchestrator]
async fn quote(item: u64) -> Option<u64> {
    tokio::select! {
        price = price(item) => Some(price),
        _ = dacapo::sleep(Duration::from_secs(5)) => None,
    }
}

fn main() {}
