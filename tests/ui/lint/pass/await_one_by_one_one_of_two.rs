//! One of two calls is awaited, or one that depends on the outcome of the other.

use dacapo::{activity, orchestrator};

#[activity]
async fn price(shop: String) -> dacapo::Result<u64> {
    Ok(shop.len() as u64)
}

#[orchestrator]
async fn cheaper(first: String, second: String) -> dacapo::Result<u64> {
    let chosen = if first.len() < second.len() { price(first) } else { price(second) };
    chosen.await
}

#[orchestrator]
async fn fallback(first: String, second: String) -> dacapo::Result<u64> {
    let near = price(first);
    let far = match second.len() {
        0 => price("default".to_owned()),
        _ => price(second),
    };
    match near.await {
        Ok(price) => Ok(price),
        Err(_) => far.await,
    }
}

fn main() {}
