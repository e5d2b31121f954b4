//! Calls are made in the order of a hash map.

use std::collections::HashMap as Map;

use futures::future::join_all;

#[dacapo::activity]
async fn price(item: String) -> u64 {
    item.len() as u64
}

#[dacapo::orchestrator]
async fn prices(items: Vec<String>) -> u64 {
    let counts: Map<String, u64> = items.into_iter().map(|item| (item, 1)).collect();
    join_all(counts.into_keys().map(price)).await.iter().sum()
}

fn main() {}
