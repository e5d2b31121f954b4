//! Calls built outside the loop are lazy: each begins when it is awaited.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let calls: Vec<_> = items.into_iter().map(process).collect();
    let mut results = vec![];
    for call in calls {
        results.push(call.await?);
    }
    Ok(results)
}

fn main() {}
