//! The library's own macros, by their path and under their name.

use std::time::Duration;

use dacapo::{activity, join, orchestrator, select, try_join};

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn offer(item: u64) -> dacapo::Result<u64> {
    let (a, b) = join!(price(item), price(item));
    let (c, d) = try_join!(price(item), price(item))?;
    let first = select! {
        price = price(item) => price?,
        _ = dacapo::sleep(Duration::from_secs(5)) => 0,
    };
    Ok(a? + b? + c + d + first)
}

fn main() {}
