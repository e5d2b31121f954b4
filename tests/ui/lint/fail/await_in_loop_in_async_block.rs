//! A loop inside an async block.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let all = async {
        let mut results = vec![];
        for item in items {
            results.push(process(item).await?);
        }
        Ok(results)
    };
    all.await
}

fn main() {}
