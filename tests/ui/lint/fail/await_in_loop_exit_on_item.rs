//! The exit is decided by the item, not by a result.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        if item == 0 {
            break;
        }
        results.push(process(item).await?);
    }
    Ok(results)
}

fn main() {}
