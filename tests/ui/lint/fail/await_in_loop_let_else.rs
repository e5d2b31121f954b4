//! A `let else` that only gives the error on is no decision.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        let Ok(result) = process(item).await else {
            return Err(dacapo::Error::msg("failed"));
        };
        results.push(result);
    }
    Ok(results)
}

fn main() {}
