//! A `for` loop that collects what each call gives.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = Vec::new();
    for item in items {
        results.push(process(item).await?);
    }
    Ok(results)
}

fn main() {}
