//! Streams that are merged in an order of their own.

use dacapo::{activity, orchestrator};
use futures::stream::{self, StreamExt as _};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn first() -> Option<u64> {
    let near = stream::iter([1, 2]).map(price).buffered(2);
    let far = stream::iter([3, 4]).map(price).buffered(2);
    let mut both = futures::stream_select!(near, far);
    both.next().await
}

fn main() {}
