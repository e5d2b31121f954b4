//! No `Result`, `dacapo::Result`, typed errors with and without sources, aliases and engine failures as values.

use dacapo::{Failure, activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum PayError {
    Declined(String),
    Engine(Failure),
}

impl std::fmt::Display for PayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for PayError {}

impl From<Failure> for PayError {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure)
    }
}

type Paid<T> = Result<T, PayError>;
type Outcome = std::result::Result<u64, String>;

#[activity]
async fn typed(amount: u64) -> Result<u64, PayError> {
    if amount == 0 {
        Err(PayError::Declined("nothing to pay".into()))
    } else {
        Ok(amount)
    }
}

#[activity]
async fn aliased(amount: u64) -> Paid<u64> {
    Ok(typed(amount).await? + 1)
}

#[activity]
fn text(amount: u64) -> Outcome {
    amount.checked_sub(1).ok_or_else(|| "too little".to_owned())
}

#[activity]
fn any(path: String) -> dacapo::Result<u64> {
    Ok(path.parse::<u64>()?)
}

#[activity]
fn option(n: u64) -> Option<u64> {
    Some(n)
}

#[activity]
async fn unit() {}

#[orchestrator]
async fn run(amount: u64) -> Paid<u64> {
    let a: Paid<u64> = typed(amount).await;
    let b: u64 = aliased(a?).await?;
    let c: Result<u64, String> = text(b).await;
    let d: Option<u64> = option(c.unwrap_or(0)).await;
    let e: Result<Option<u64>, Failure> = option(d.unwrap_or(0)).checked().await;
    let f: Result<u64, Failure> = typed(1).checked().await;
    let g: dacapo::Result<u64> = any("1".into()).await;
    unit().await;
    Ok(e?.unwrap_or(0) + f? + g.unwrap_or(0))
}

#[orchestrator]
async fn parent() -> dacapo::Result<u64> {
    let child: Result<u64, Failure> = run(1).id("child").checked().await;
    Ok(child? + run(2).await?)
}

fn main() {
    let _ = parent();
}
