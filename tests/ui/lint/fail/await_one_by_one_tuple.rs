//! A pair of calls, bound by one pattern.

use dacapo::{activity, orchestrator};

#[activity]
async fn price(shop: String) -> u64 {
    shop.len() as u64
}

#[orchestrator]
async fn both(first: String, second: String) -> u64 {
    let (a, b) = (price(first), price(second));
    let a = a.await;
    let b = b.await;
    a + b
}

fn main() {}
