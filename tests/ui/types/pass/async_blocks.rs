//! Async blocks are branches: in `join`, in `select`, in collections, boxed, nested, with `?` inside.

use std::pin::Pin;
use std::time::Duration;

use dacapo::{Durable, activity, orchestrator};
use futures::future::{join, join_all, try_join_all};

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn run(items: Vec<u64>) -> dacapo::Result<u64> {
    let slow = async {
        dacapo::sleep(Duration::from_secs(1)).await;
        price(1).await
    };
    let (a, b) = join(slow, price(2)).await;
    let chains = items.iter().map(|item| async move {
        let first = price(*item).await?;
        let nested = async { price(first).await }.await?;
        Ok::<_, dacapo::Error>(nested + 1)
    });
    let all = try_join_all(chains).await?;
    let branches: Vec<Pin<Box<dyn Durable<Output = u64> + Send>>> =
        vec![Box::pin(async { price(1).await.unwrap_or(0) }), Box::pin(async move { 2 })];
    let boxed: u64 = join_all(branches).await.iter().sum();
    let (c, d) = futures::join!(async { 1 }, async { price(3).await.unwrap_or(0) });
    let (e, f) = futures::try_join!(async { price(4).await }, price(5))?;
    Ok(a? + b? + all.iter().sum::<u64>() + boxed + c + d + e + f)
}

fn main() {
    let _ = run(vec![]);
}
