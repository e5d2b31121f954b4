//! A quorum: ask all replicas at once, be content with the majority that answers first.

use dacapo::{activity, orchestrator};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vote {
    term: u64,
    granted: bool,
}

#[activity]
async fn request_vote(replica: String, term: u64) -> dacapo::Result<Vote> {
    Ok(Vote { term, granted: !replica.is_empty() })
}

#[orchestrator]
pub async fn elect(replicas: Vec<String>, term: u64) -> dacapo::Result<bool> {
    let needed = replicas.len() / 2 + 1;
    let total = replicas.len();
    let mut votes: FuturesUnordered<_> = replicas.into_iter().map(|replica| request_vote(replica, term)).collect();
    let (mut yes, mut no) = (0, 0);
    while let Some(vote) = votes.next().await {
        match vote {
            Ok(Vote { granted: true, .. }) => yes += 1,
            Ok(Vote { granted: false, term: other }) if other > term => return Ok(false),
            Ok(_) | Err(_) => no += 1,
        }
        if yes >= needed {
            return Ok(true);
        }
        if no > total - needed {
            break;
        }
    }
    Ok(false)
}

fn main() {}
