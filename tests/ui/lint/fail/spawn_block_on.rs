//! A future that is driven on the spot never reaches the history.

use futures::executor::block_on;

#[dacapo::activity]
async fn price(item: u64) -> u64 {
    item
}

#[dacapo::orchestrator]
async fn quote(items: Vec<u64>) -> u64 {
    items.into_iter().map(|item| block_on(async { item })).sum()
}

fn main() {}
