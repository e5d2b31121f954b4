//! Calls bound by one pattern of an array.

use dacapo::{activity, orchestrator};

#[activity]
async fn price(shop: String) -> u64 {
    shop.len() as u64
}

#[orchestrator]
async fn both(first: String, second: String) -> u64 {
    let [a, b] = [price(first), price(second)];
    let a = a.await;
    let b = b.await;
    a + b
}

fn main() {}
