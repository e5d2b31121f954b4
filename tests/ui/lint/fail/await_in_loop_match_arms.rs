//! A `match` that only gives the error on is no decision.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        match process(item).await {
            Ok(result) => results.push(result),
            Err(error) => return Err(error),
        }
    }
    Ok(results)
}

fn main() {}
