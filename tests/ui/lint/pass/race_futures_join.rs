//! `futures::join!` polls in source order; it is fine, and so are the functions.

use dacapo::{activity, orchestrator};
use futures::future::{join, join3, try_join};

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn offer(item: u64) -> dacapo::Result<u64> {
    let (a, b) = futures::join!(price(1), price(2));
    let (c, d) = join(price(item), price(item)).await;
    let (e, f, g) = join3(price(item), price(item), price(item)).await;
    let (h, i) = try_join(price(item), price(item)).await?;
    Ok(a? + b? + c? + d? + e? + f? + g? + h + i)
}

fn main() {}
