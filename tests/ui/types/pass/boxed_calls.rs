//! Calls of several functions in one list, as the advice on futures that are not durable spells it.

use std::pin::Pin;

use dacapo::{Durable, activity, orchestrator};
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[activity]
async fn tax(item: u64) -> u64 {
    item / 5
}

#[orchestrator]
async fn both(item: u64) -> u64 {
    let calls: Vec<Pin<Box<dyn Durable<Output = u64> + Send>>> =
        vec![Box::pin(price(item)), Box::pin(tax(item)), Box::pin(async move { price(item).await + 1 })];
    join_all(calls).await.into_iter().sum()
}

#[orchestrator]
async fn windowed(item: u64) -> Vec<u64> {
    let calls: Vec<Pin<Box<dyn Durable<Output = u64> + Send>>> = vec![Box::pin(price(item)), Box::pin(tax(item))];
    stream::iter(calls).buffered(1).collect().await
}

fn main() {}
