//! Several arguments, none, no `Result`, typed errors, an alias of `Result`, plain functions.
#![deny(warnings)]

use std::time::Duration;

use dacapo::{Retry, activity, orchestrator};
use futures::future::{join_all, try_join_all};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

const NET: Retry = Retry::fixed(Duration::from_secs(1));

/// Greets.
#[activity(retry = NET, timeout = Duration::from_secs(30), max_concurrent = 10, name = "hello")]
async fn greet(name: String, times: u32) -> String {
    name.repeat(times as usize)
}

#[derive(Debug, Serialize, Deserialize)]
enum PayError {
    Declined,
    Engine(String),
}

impl From<dacapo::Failure> for PayError {
    fn from(failure: dacapo::Failure) -> Self {
        Self::Engine(failure.to_string())
    }
}

impl std::fmt::Display for PayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

type Paid<T> = Result<T, PayError>;

#[activity]
fn charge(amount: u64) -> Paid<u64> {
    if amount == 0 { Err(PayError::Declined) } else { Ok(amount) }
}

#[activity]
async fn nothing() {}

#[orchestrator]
async fn batch(amounts: Vec<u64>) -> Paid<u64> {
    nothing().await;
    let greeting: String = greet("Ada".into(), 2).await;
    let all = try_join_all(amounts.iter().copied().map(charge)).await?;
    let _kept: Vec<Paid<u64>> = join_all(amounts.clone().into_iter().map(charge)).await;
    let _window: Vec<Paid<u64>> = stream::iter(amounts).map(charge).buffered(8).collect().await;
    let checked = greet(greeting, 1).checked().await;
    println!("greeted {checked:?}");
    Ok(all.iter().sum())
}

#[orchestrator]
async fn outer() -> dacapo::Result<u64> {
    let branch = async { charge(1).await.map_err(|error| dacapo::Error::msg(error)) };
    let (one, two) = futures::try_join!(branch, async move { Ok(greet("x".into(), 1).await) })?;
    drop(two);
    dacapo::sleep(Duration::from_secs(1)).await;
    batch(vec![one]).checked().await?;
    Ok(one)
}

fn main() {
    let _ = outer();
}
