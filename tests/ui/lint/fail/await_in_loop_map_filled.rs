//! A map that is filled and asked by nobody.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut known = std::collections::BTreeMap::new();
    for item in items {
        known.insert(item, process(item).await?);
    }
    Ok(known.into_values().collect())
}

fn main() {}
