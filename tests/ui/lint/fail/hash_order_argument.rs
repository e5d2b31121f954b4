//! A hash set given to a call is recorded in hash order.

use std::collections::HashSet;

#[dacapo::activity]
async fn notify(names: HashSet<String>) -> u64 {
    names.len() as u64
}

#[dacapo::orchestrator]
async fn notify_all(names: HashSet<String>) -> u64 {
    notify(names.clone()).await
}

fn main() {}
