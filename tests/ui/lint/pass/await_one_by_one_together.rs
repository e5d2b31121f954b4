//! Calls that are built first are awaited together, or were started, or are a fallback, or form a chain.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use futures::future::join_all;

const GO: Event<u64> = Event::new("go");

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn joined(item: u64) -> dacapo::Result<u64> {
    let a = price(item);
    let b = price(item + 1);
    let (a, b) = dacapo::join!(a, b);
    let c = price(item);
    let d = price(item);
    let rest = join_all([c, d]).await;
    Ok(a? + b? + rest.len() as u64)
}

#[orchestrator]
async fn started(item: u64) -> dacapo::Result<u64> {
    let a = price(item).start();
    let b = price(item + 1).start();
    Ok(a.await? + b.await?)
}

#[orchestrator]
async fn started_pair(item: u64) -> dacapo::Result<u64> {
    let (a, b) = (price(item).start(), price(item + 1).start());
    let a = a.await?;
    let b = b.await?;
    Ok(a + b)
}

#[orchestrator]
async fn fallback(item: u64) -> dacapo::Result<u64> {
    let cheap = price(item);
    let dear = price(item + 1);
    match cheap.await {
        Ok(price) => Ok(price),
        Err(_) => dear.await,
    }
}

#[orchestrator]
async fn either(item: u64, cheap: bool) -> dacapo::Result<u64> {
    let left = price(item);
    let right = price(item + 1);
    if cheap { left.await } else { right.await }
}

#[orchestrator]
async fn chain(item: u64) -> dacapo::Result<u64> {
    let first = price(item);
    let first = first.await?;
    let second = price(first);
    second.await
}

#[orchestrator]
async fn waits(item: u64) -> dacapo::Result<u64> {
    let deadline = dacapo::sleep(Duration::from_secs(60));
    let go = GO.wait();
    let price = price(item).await?;
    deadline.await;
    Ok(price + go.await)
}

fn main() {}
