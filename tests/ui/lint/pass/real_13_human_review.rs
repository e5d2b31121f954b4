//! A human review with select: decided, withdrawn, or escalated after two days.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use serde::{Deserialize, Serialize};

const REVIEW: Event<Review> = Event::new("review");
const WITHDRAW: Event<String> = Event::new("withdraw");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Review {
    reviewer: String,
    accepted: bool,
    comment: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Verdict {
    Accepted { by: String },
    Rejected { by: String, why: String },
    Withdrawn(String),
}

#[activity]
async fn assign(paper: String, level: u8) -> dacapo::Result<String> {
    Ok(format!("{paper}:{level}"))
}

#[activity]
async fn remind(reviewer: String) -> dacapo::Result<()> {
    drop(reviewer);
    Ok(())
}

#[orchestrator]
pub async fn review(paper: String) -> dacapo::Result<Verdict> {
    let mut level = 0;
    let mut reviewer = assign(paper.clone(), level).await?;
    loop {
        let verdict = dacapo::select! {
            review = REVIEW.wait() => Some(if review.accepted {
                Verdict::Accepted { by: review.reviewer }
            } else {
                Verdict::Rejected { by: review.reviewer, why: review.comment.unwrap_or_default() }
            }),
            why = WITHDRAW.wait() => Some(Verdict::Withdrawn(why)),
            _ = dacapo::sleep(Duration::from_secs(2 * 86_400)) => None,
        };
        match verdict {
            Some(verdict) => return Ok(verdict),
            None if level < 3 => {
                remind(reviewer).await?;
                level += 1;
                reviewer = assign(paper.clone(), level).await?;
            }
            None => return Err(dacapo::Error::msg("nobody reviews this")),
        }
    }
}

fn main() {}
