//! A review decided by `tokio::select!`, which polls its branches in random order.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use serde::{Deserialize, Serialize};

const REVIEW: Event<bool> = Event::new("review");
const WITHDRAW: Event<String> = Event::new("withdraw");

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Verdict {
    Accepted,
    Rejected,
    Withdrawn(String),
    Expired,
}

#[activity]
async fn assign(paper: String) -> dacapo::Result<String> {
    Ok(paper)
}

#[activity]
async fn publish(paper: String) -> dacapo::Result<()> {
    drop(paper);
    Ok(())
}

#[orchestrator]
async fn review(paper: String) -> dacapo::Result<Verdict> {
    assign(paper.clone()).await?;
    let verdict = tokio::select! {
        accepted = REVIEW.wait() => if accepted { Verdict::Accepted } else { Verdict::Rejected },
        why = WITHDRAW.wait() => Verdict::Withdrawn(why),
        _ = dacapo::sleep(Duration::from_secs(2 * 86_400)) => Verdict::Expired,
    };
    if matches!(verdict, Verdict::Accepted) {
        publish(paper).await?;
    }
    Ok(verdict)
}

fn main() {}
