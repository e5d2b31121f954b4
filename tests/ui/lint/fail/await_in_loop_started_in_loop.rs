//! A call that is started and awaited in the same iteration.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        let handle = process(item).start();
        results.push(handle.await?);
    }
    Ok(results)
}

fn main() {}
