//! Three calls, one of them one of two.

use dacapo::{activity, orchestrator};

#[activity]
async fn price(shop: String) -> dacapo::Result<u64> {
    Ok(shop.len() as u64)
}

#[orchestrator]
async fn all(first: String, second: String, third: String) -> dacapo::Result<u64> {
    let near = if first.is_empty() { price(third.clone()) } else { price(first) };
    let far = price(second);
    let online = price(third);
    Ok(near.await? + far.await? + online.await?)
}

fn main() {}
