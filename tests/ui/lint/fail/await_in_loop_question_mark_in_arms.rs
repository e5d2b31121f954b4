//! Calls in the arms of a `match` over the item.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        let result = match item {
            0 => process(1).await?,
            _ => process(item).await?,
        };
        results.push(result);
    }
    Ok(results)
}

fn main() {}
