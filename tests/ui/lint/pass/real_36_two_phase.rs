//! Two-phase commit: prepare everywhere, then commit everywhere or abort everywhere.

use dacapo::{Failure, activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub enum CommitError {
    Refused(Vec<String>),
    Engine(Failure),
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure)
    }
}

impl std::fmt::Display for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(names) => write!(f, "refused by {}", names.join(", ")),
            Self::Engine(failure) => failure.fmt(f),
        }
    }
}

#[activity]
async fn prepare(participant: String, transaction: String) -> bool {
    participant != transaction
}

#[activity]
async fn finish(participant: String, transaction: String, commit: bool) {
    println!("{participant} {transaction} {commit}");
}

#[orchestrator]
pub async fn commit(participants: Vec<String>) -> Result<String, CommitError> {
    let transaction = format!("tx-{}", dacapo::new_uuid());
    let votes = join_all(participants.iter().map(|name| prepare(name.clone(), transaction.clone()).checked())).await;
    let refused: Vec<String> =
        participants.iter().zip(&votes).filter(|(_, vote)| !matches!(vote, Ok(true))).map(|(name, _)| name.clone()).collect();
    let all = refused.is_empty();
    let finished = participants.into_iter().map(|name| finish(name, transaction.clone(), all));
    join_all(finished).await;
    if all { Ok(transaction) } else { Err(CommitError::Refused(refused)) }
}

fn main() {}
