//! A `for` loop whose calls give nothing.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    for item in &items {
        process(*item).await?;
    }
    Ok(items)
}

fn main() {}
