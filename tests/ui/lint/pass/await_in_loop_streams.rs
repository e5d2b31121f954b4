//! Streams that run their calls together, that stop early, that carry a value on, or whose steps call nothing.

use dacapo::{activity, orchestrator};
use futures::future::{FutureExt as _, ready};
use futures::stream::{self, FuturesUnordered, StreamExt as _, TryStreamExt as _};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn together(items: Vec<u64>) -> Vec<u64> {
    stream::iter(items).map(price).buffered(8).then(|price| async move { price + 1 }).collect().await
}

#[orchestrator]
async fn concurrent(items: Vec<u64>) {
    stream::iter(items)
        .for_each_concurrent(4, |item| async move {
            price(item).await;
        })
        .await;
}

#[orchestrator]
async fn carried(items: Vec<u64>) -> u64 {
    stream::iter(items).fold(0, |sum, item| async move { price(sum + item).await }).await
}

#[orchestrator]
async fn carried_on(items: Vec<u64>) -> u64 {
    let last = stream::iter(items.clone())
        .fold(0, |last, item| async move {
            let next = last.max(item);
            price(next).await
        })
        .await;
    let cheap = stream::iter(items.clone())
        .fold(last, |sum, item| async move { if sum < 10 { sum + price(item).await } else { sum } })
        .await;
    let chain = stream::iter(items.clone()).fold(cheap, |last, item| price(last + item)).await;
    items.into_iter().fold(chain, |sum, item| sum + item)
}

#[orchestrator]
async fn until_too_much(items: Vec<u64>) -> dacapo::Result<u64> {
    stream::iter(items.into_iter().map(dacapo::Result::Ok))
        .try_fold(0, |sum, item| async move {
            let price = price(item).await;
            if price > 10 {
                return Err(dacapo::Error::msg("too much"));
            }
            Ok(sum + price)
        })
        .await
}

#[orchestrator]
async fn until(items: Vec<u64>) -> Option<u64> {
    let mut found = Box::pin(stream::iter(items).then(price).take_while(|price| ready(*price < 3)));
    let mut last = None;
    while let Some(price) = found.next().await {
        last = Some(price);
    }
    last
}

#[orchestrator]
async fn first_cheap(items: Vec<u64>) -> Option<u64> {
    let mut prices = Box::pin(stream::iter(items).then(price));
    while let Some(price) = prices.next().await {
        if price < 10 {
            return Some(price);
        }
    }
    None
}

#[orchestrator]
async fn one_after_the_other(item: u64) -> u64 {
    price(item).then(price).await
}

#[orchestrator]
async fn refilled(items: Vec<u64>) -> u64 {
    let mut running: FuturesUnordered<_> = items.into_iter().map(price).collect();
    let mut sum = 0;
    while let Some(price_of_one) = running.next().await {
        sum += price_of_one;
        if price_of_one > 1 {
            running.push(price(price_of_one / 2));
        }
    }
    sum
}

fn main() {}
