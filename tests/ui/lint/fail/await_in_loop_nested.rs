//! The inner loop of two.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        for part in 0..item {
            results.push(process(part).await?);
        }
    }
    Ok(results)
}

fn main() {}
