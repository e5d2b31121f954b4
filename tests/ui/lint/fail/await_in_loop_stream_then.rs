//! `.then(..)` waits for one call before it makes the next.

use dacapo::{activity, orchestrator};
use futures::stream::{self, StreamExt as _};

#[activity]
async fn price(item: String) -> u64 {
    item.len() as u64
}

#[orchestrator]
async fn prices(items: Vec<String>) -> Vec<u64> {
    stream::iter(items).then(price).collect().await
}

fn main() {}
