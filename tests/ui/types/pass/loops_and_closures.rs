//! Closures are part of the body; items inside it are not.

use dacapo::{activity, orchestrator};
use futures::future::join_all;

#[activity]
async fn step(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn run(items: Vec<u64>) -> u64 {
    fn double(n: u64) -> u64 {
        n * 2
    }
    #[allow(dead_code)]
    async fn foreign() {
        std::future::pending::<()>().await
    }
    let mut total = 0;
    #[sequential]
    for item in items.clone() {
        total += step(double(item)).await;
    }
    let later = |n: u64| async move { step(n).await + 1 };
    let sums = join_all(items.into_iter().map(later)).await;
    total + sums.iter().sum::<u64>()
}

fn main() {
    let _ = run(vec![]);
}
