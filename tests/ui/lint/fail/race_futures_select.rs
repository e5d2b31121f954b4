//! `futures::select!` polls in random order, too.

use dacapo::{activity, orchestrator};
use futures::FutureExt as _;

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn first() -> u64 {
    let mut a = price(1).fuse();
    let mut b = price(2).fuse();
    futures::select! {
        price = a => price,
        price = b => price,
    }
}

fn main() {}
