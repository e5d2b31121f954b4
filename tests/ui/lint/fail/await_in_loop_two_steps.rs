//! Two calls in a row per item: the items do not need each other.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        let first = process(item).await?;
        results.push(process(first).await?);
    }
    Ok(results)
}

fn main() {}
