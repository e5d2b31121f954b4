//! Exemption 5: calls that were started outside the loop run already.

use std::collections::{BTreeMap, VecDeque};

use dacapo::{activity, orchestrator};

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn handles(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let handles: Vec<_> = items.into_iter().map(|item| price(item).start()).collect();
    let mut prices = vec![];
    for handle in handles {
        prices.push(handle.await?);
    }
    Ok(prices)
}

#[orchestrator]
async fn pushed(items: Vec<u64>) -> dacapo::Result<u64> {
    let mut handles = Vec::new();
    for item in items {
        handles.push(price(item).start());
    }
    let mut sum = 0;
    while let Some(handle) = handles.pop() {
        sum += handle.await?;
    }
    Ok(sum)
}

#[orchestrator]
async fn named(items: Vec<u64>) -> dacapo::Result<BTreeMap<u64, u64>> {
    let mut handles = BTreeMap::new();
    for item in items {
        handles.insert(item, price(item).start());
    }
    let mut prices = BTreeMap::new();
    for (item, handle) in handles {
        prices.insert(item, handle.await?);
    }
    Ok(prices)
}

#[orchestrator]
async fn window(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut running = VecDeque::new();
    let mut prices = vec![];
    for item in items {
        if running.len() == 4
            && let Some(first) = running.pop_front()
        {
            let first: dacapo::Activity<_> = first;
            prices.push(first.await?);
        }
        running.push_back(price(item).start());
    }
    for handle in running {
        prices.push(handle.await?);
    }
    Ok(prices)
}

fn main() {}
