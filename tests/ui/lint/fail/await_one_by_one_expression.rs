//! Two calls awaited in one expression are awaited one after another, too.

use dacapo::{Retry, activity, orchestrator};

#[activity]
async fn price(shop: String) -> u64 {
    shop.len() as u64
}

#[orchestrator]
async fn both(first: String, second: String) -> u64 {
    let a = price(first).retry(Retry::none());
    let b = price(second).retry(Retry::none());
    a.await + b.await
}

fn main() {}
