//! A fold whose sum goes into no call.

use dacapo::{activity, orchestrator};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

#[activity]
async fn price(item: u64) -> dacapo::Result<u64> {
    Ok(item)
}

#[orchestrator]
async fn sum(items: Vec<u64>) -> u64 {
    stream::iter(items).fold(0, |sum, item| async move { sum + price(item).await.unwrap_or(0) }).await
}

#[orchestrator]
async fn try_sum(items: Vec<u64>) -> dacapo::Result<u64> {
    stream::iter(items.into_iter().map(dacapo::Result::Ok))
        .try_fold(0, |mut sum, item| async move {
            let item = item + 1;
            sum += price(item).await?;
            Ok(sum)
        })
        .await
}

fn main() {}
