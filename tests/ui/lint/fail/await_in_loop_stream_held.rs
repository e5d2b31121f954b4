//! The same in a variable that a loop drains.

use dacapo::{activity, orchestrator};
use futures::stream::{self, StreamExt as _};

#[activity]
async fn price(item: String) -> u64 {
    item.len() as u64
}

#[orchestrator]
async fn total(items: Vec<String>) -> u64 {
    let mut prices = Box::pin(stream::iter(items).then(|item| async move { price(item).await + 1 }));
    let mut total = 0;
    while let Some(price) = prices.next().await {
        total += price;
    }
    total
}

fn main() {}
