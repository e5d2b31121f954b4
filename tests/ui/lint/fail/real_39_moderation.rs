//! A pair of calls is built at once and awaited one by one.

use dacapo::{activity as task, orchestrator as workflow};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Label {
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
async fn person(text: String) -> Label {
    drop(text);
    Label::Fine
}

#[workflow]
async fn moderate(text: String) -> Label {
    let (first, second) = (words(text.clone()), links(text.clone()));
    match (first.await, second.await) {
        (a, b) if a == b => a,
        _ => person(text).await,
    }
}

fn main() {}
