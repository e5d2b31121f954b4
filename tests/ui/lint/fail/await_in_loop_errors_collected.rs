//! Errors are collected, too.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let (mut results, mut errors) = (vec![], vec![]);
    for item in items {
        match process(item).await {
            Ok(result) => results.push(result),
            Err(error) => errors.push(error.to_string()),
        }
    }
    println!("{errors:?}");
    Ok(results)
}

fn main() {}
