//! The votes go through a channel, which is not in the history.

use std::sync::mpsc;

use dacapo::{activity, orchestrator};
use futures::future::join_all;

#[activity]
async fn prepare(participant: String) -> bool {
    !participant.is_empty()
}

#[activity]
async fn finish(participant: String, commit: bool) {
    println!("{participant} {commit}");
}

#[orchestrator]
async fn commit(participants: Vec<String>) -> bool {
    let (votes, cast) = mpsc::channel();
    join_all(participants.iter().map(|name| {
        let votes = votes.clone();
        async move {
            let vote = prepare(name.clone()).await;
            votes.send(vote).ok();
        }
    }))
    .await;
    drop(votes);
    let all = cast.into_iter().all(|vote| vote);
    join_all(participants.into_iter().map(|name| finish(name, all))).await;
    all
}

fn main() {}
