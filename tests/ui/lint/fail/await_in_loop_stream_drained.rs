//! A stream is only another loop when the body awaits a call.

use dacapo::{activity, orchestrator};
use futures::stream::{self, StreamExt as _};

#[activity]
async fn price(item: String) -> u64 {
    item.len() as u64
}

#[orchestrator]
async fn total(items: Vec<String>) -> u64 {
    let mut items = stream::iter(items);
    let mut total = 0;
    while let Some(item) = items.next().await {
        total += price(item).await;
    }
    total
}

fn main() {}
