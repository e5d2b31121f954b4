//! A sum that no call reads carries nothing from one iteration to the next.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut total = 0;
    for (place, item) in items.into_iter().enumerate() {
        total += process(item + place as u64).await?;
    }
    Ok(vec![total])
}

fn main() {}
