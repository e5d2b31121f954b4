//! A `while let` loop over a queue that no result refills.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut queue = items;
    let mut results = vec![];
    while let Some(item) = queue.pop() {
        let result = process(item).await?;
        results.push(result);
    }
    Ok(results)
}

fn main() {}
