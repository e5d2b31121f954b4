//! A deadline around each call.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        let limit = std::time::Duration::from_secs(item);
        results.push(dacapo::timeout(limit, process(item)).await??);
    }
    Ok(results)
}

fn main() {}
