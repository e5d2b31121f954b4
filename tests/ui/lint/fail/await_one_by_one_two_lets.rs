//! Two calls that look started: the second begins when the first has come back.

use dacapo::{activity, orchestrator};

#[activity]
async fn price(shop: String) -> dacapo::Result<u64> {
    Ok(shop.len() as u64)
}

#[orchestrator]
async fn both(first: String, second: String) -> dacapo::Result<u64> {
    let a = price(first);
    let b = price(second);
    let a = a.await?;
    let b = b.await?;
    Ok(a + b)
}

fn main() {}
