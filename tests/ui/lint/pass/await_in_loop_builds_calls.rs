//! A loop that only builds calls, closures or async blocks awaits nothing.

use std::pin::Pin;

use dacapo::{Durable, activity, orchestrator};
use futures::future::{join_all, try_join_all};

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn calls(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut calls = Vec::new();
    for item in items {
        calls.push(price(item));
    }
    try_join_all(calls).await
}

#[orchestrator]
async fn blocks(items: Vec<u64>) -> dacapo::Result<u64> {
    let mut branches: Vec<Pin<Box<dyn Durable<Output = u64> + Send>>> = Vec::new();
    for item in items {
        if item == 0 {
            branches.push(Box::pin(async { 0 }));
        } else {
            branches.push(Box::pin(async move {
                let first = price(item).await.unwrap_or(0);
                price(first).await.unwrap_or(0)
            }));
        }
    }
    Ok(join_all(branches).await.iter().sum())
}

#[orchestrator]
async fn closure(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let chain = |item: u64| async move {
        let first = price(item).await?;
        price(first + 1).await
    };
    try_join_all(items.into_iter().map(chain)).await
}

fn main() {}
