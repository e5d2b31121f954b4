//! Tokio's deadline is not in the history.

use std::time::Duration;

#[dacapo::activity]
async fn price(item: u64) -> u64 {
    item
}

#[dacapo::orchestrator]
async fn quote(item: u64) -> Option<u64> {
    tokio::time::timeout(Duration::from_secs(60), price(item)).await.ok()
}

fn main() {}
