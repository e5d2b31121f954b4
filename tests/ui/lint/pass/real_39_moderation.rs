//! Moderation: cheap checks first, the dear one only when they disagree; local names like the library's are its own.

use dacapo::{activity as task, orchestrator as workflow};
use serde::{Deserialize, Serialize};

mod clock {
    use std::time::{Duration, SystemTime};

    /// A week after `now`, which the caller brings.
    pub fn in_a_week(now: SystemTime) -> SystemTime {
        now + Duration::from_secs(7 * 86_400)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Label {
    Fine,
    Spam,
}

#[task]
async fn words(text: String) -> Label {
    if text.contains("casino") { Label::Spam } else { Label::Fine }
}

#[task]
async fn links(text: String) -> Label {
    if text.matches("http").count() > 3 { Label::Spam } else { Label::Fine }
}

#[task]
async fn person(text: String, until: std::time::SystemTime) -> Label {
    drop((text, until));
    Label::Fine
}

#[task]
async fn remove(post: u64) {
    println!("{post} removed");
}

#[workflow]
pub async fn moderate(post: u64, text: String) -> Label {
    let (first, second) = dacapo::join!(words(text.clone()), links(text.clone()));
    let label = match (first, second) {
        (a, b) if a == b => a,
        _ => person(text, clock::in_a_week(dacapo::now())).await,
    };
    if matches!(label, Label::Spam) {
        remove(post).await;
    }
    label
}

fn main() {}
