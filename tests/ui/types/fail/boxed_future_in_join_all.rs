use dacapo::{activity, orchestrator};
use futures::future::{FutureExt as _, join_all};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[activity]
async fn tax(item: u64) -> u64 {
    item / 5
}

#[orchestrator]
async fn both(item: u64) -> u64 {
    join_all(vec![price(item).boxed(), tax(item).boxed()]).await.into_iter().sum()
}

fn main() {}
