//! A `while` loop over indexes.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    let mut at = 0;
    while at < items.len() {
        results.push(process(items[at]).await?);
        at += 1;
    }
    Ok(results)
}

fn main() {}
