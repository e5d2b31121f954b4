//! A helper that runs in its caller's history: borrowed and generic arguments, branches of a join.

use dacapo::{activity, orchestrator};
use futures::future::join;

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

/// Of both.
#[orchestrator(inline)]
async fn sum(a: u64, (b, _): (u64, u64)) -> dacapo::Result<u64> {
    Ok(price(a).await? + price(b).await?)
}

#[orchestrator(inline)]
async fn named(name: &str, items: &[u64]) -> String {
    let first = price(items[0]).await.unwrap_or(0);
    format!("{name}: {first}")
}

#[orchestrator(inline)]
async fn generic<'a, T: Clone + Send + Sync>(value: &'a T, make: impl Fn(T) -> u64 + Send) -> &'a T
where
    T: 'a,
{
    price(make(value.clone())).await.ok();
    value
}

#[orchestrator]
async fn run(items: Vec<u64>) -> dacapo::Result<u64> {
    let (a, b) = join(sum(1, (2, 3)), named("first", &items)).await;
    generic(&b, |text| text.len() as u64).await;
    Ok(a?)
}

fn main() {
    let _ = run(vec![1]);
}
