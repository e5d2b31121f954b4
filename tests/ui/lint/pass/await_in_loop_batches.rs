//! Exemption 4: a loop over batches awaits fan-ins.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use futures::future::{join_all, try_join_all};
use futures::stream::{self, StreamExt};

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[activity]
async fn record(prices: Vec<u64>) -> dacapo::Result<()> {
    drop(prices);
    Ok(())
}

#[orchestrator]
async fn chunks(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut all = vec![];
    for batch in items.chunks(50) {
        all.extend(try_join_all(batch.iter().copied().map(price)).await?);
    }
    Ok(all)
}

#[orchestrator]
async fn recorded(items: Vec<u64>) -> dacapo::Result<()> {
    for batch in items.chunks(50) {
        let calls: Vec<_> = batch.iter().map(|item| price(*item)).collect();
        let prices = join_all(calls).await.into_iter().flatten().collect();
        record(prices).await?;
    }
    Ok(())
}

#[orchestrator]
async fn pairs(items: Vec<(u64, u64)>) -> dacapo::Result<u64> {
    let mut sum = 0;
    for (left, right) in items {
        let (left, right) = dacapo::try_join!(price(left), price(right))?;
        sum += left * right;
    }
    Ok(sum)
}

#[orchestrator]
async fn windows(batches: Vec<Vec<u64>>) -> dacapo::Result<u64> {
    let mut sum = 0;
    for batch in batches {
        sum += dacapo::try_fan_out(batch.clone(), price).limit(8).await?.iter().sum::<u64>();
        sum += dacapo::fan_out(batch.clone(), price).limit(8).await.len() as u64;
        let prices: Vec<_> = stream::iter(batch).map(price).buffered(8).collect().await;
        sum += prices.len() as u64;
    }
    Ok(sum)
}

#[orchestrator]
async fn races(items: Vec<u64>) -> u64 {
    let mut late = 0;
    for item in items {
        dacapo::select! {
            _ = price(item) => {},
            _ = dacapo::sleep(Duration::from_secs(1)) => late += 1,
        }
    }
    late
}

fn main() {}
