//! Every combinator of `futures` that is durable when its parts are.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use futures::future::{self, Either, FutureExt, TryFutureExt, join, join_all, join3, select, select_all, try_join, try_join_all};
use futures::stream::{self, FuturesOrdered, FuturesUnordered, StreamExt, TryStreamExt};

const APPROVAL: Event<bool> = Event::new("approval");

#[activity]
async fn process(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[activity]
async fn plain(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn fan_out(items: Vec<u64>) -> dacapo::Result<u64> {
    let all: Vec<u64> = try_join_all(items.iter().copied().map(process)).await?;
    let every: Vec<dacapo::Result<u64>> = join_all(items.clone().into_iter().map(process)).await;
    let window: Vec<dacapo::Result<u64>> = stream::iter(items.clone()).map(process).buffered(8).collect().await;
    let loose: Vec<u64> = stream::iter(items.clone())
        .map(process)
        .buffer_unordered(8)
        .try_collect()
        .await?;
    let (a, b) = join(plain(1), plain(2)).await;
    let (c, d, e) = join3(plain(1), plain(2), process(3)).await;
    let (f, g) = try_join(process(1), process(2)).await?;
    let first = match select(plain(1), plain(2)).await {
        Either::Left((value, _rest)) | Either::Right((value, _rest)) => value,
    };
    let (any, _index, _rest) = select_all([plain(1), plain(2)]).await;
    let mut unordered: FuturesUnordered<_> = items.iter().copied().map(plain).collect();
    let mut sum = 0;
    while let Some(value) = unordered.next().await {
        sum += value;
    }
    let ordered: FuturesOrdered<_> = items.into_iter().map(plain).collect();
    let ordered: Vec<u64> = ordered.collect().await;
    let mapped = plain(1).map(|n| n + 1).await + process(1).map_ok(|n| n + 1).await?;
    let wrapped = process(1).map_err(|_| dacapo::Error::msg("no")).and_then(process).await?;
    let then = plain(1).then(plain).await + process(1).or_else(|_| process(2)).await?;
    let ready = future::ready(1).await;
    let in_time = dacapo::timeout(Duration::from_secs(60), APPROVAL.wait())
        .await
        .unwrap_or(false);
    let late = dacapo::timeout(Duration::from_secs(60), plain(3)).await?;
    dacapo::sleep(Duration::from_secs(1)).await;
    let approved = APPROVAL.wait().checked().await?;
    let boxed: future::BoxFuture<'static, u64>;
    let _ = || {};
    let pinned = Box::pin(plain(2)).await;
    boxed = Box::pin(std::future::ready(0));
    drop(boxed);
    Ok(all.len() as u64
        + every.len() as u64
        + window.len() as u64
        + loose.len() as u64
        + ordered.len() as u64
        + a
        + b
        + c
        + d
        + e?
        + f
        + g
        + first
        + any
        + sum
        + mapped
        + wrapped
        + then
        + ready
        + late
        + pinned
        + u64::from(in_time)
        + u64::from(approved))
}

fn main() {
    let _ = fan_out(vec![1]);
}
