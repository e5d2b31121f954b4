use dacapo::{activity, orchestrator};
use futures::future::join_all;

#[activity]
async fn price(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn run(items: Vec<u32>) -> Vec<u32> {
    join_all(items.into_iter().map(async |n| price(n).await + 1)).await
}

fn main() {}
