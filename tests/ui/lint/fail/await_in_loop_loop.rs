//! A `loop` whose end no result decides.

use dacapo::{activity, orchestrator};

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn batch(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut items = items.into_iter();
    let mut results = vec![];
    loop {
        let Some(item) = items.next() else { break };
        results.push(process(item).await?);
    }
    Ok(results)
}

fn main() {}
