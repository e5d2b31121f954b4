//! Jitter drawn from the system inside a closure that builds calls.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use futures::stream::{FuturesUnordered, StreamExt};

#[activity]
async fn request_vote(replica: String, term: u64) -> dacapo::Result<bool> {
    Ok(replica.len() as u64 > term)
}

#[orchestrator]
async fn elect(replicas: Vec<String>, term: u64) -> dacapo::Result<bool> {
    let needed = replicas.len() / 2 + 1;
    let mut votes: FuturesUnordered<_> = replicas
        .into_iter()
        .map(|replica| async move {
            let jitter = rand::random::<u8>();
            dacapo::sleep(Duration::from_millis(jitter.into())).await;
            request_vote(replica, term).await
        })
        .collect();
    let mut yes = 0;
    while let Some(vote) = votes.next().await {
        if matches!(vote, Ok(true)) {
            yes += 1;
        }
        if yes >= needed {
            return Ok(true);
        }
    }
    Ok(false)
}

fn main() {}
