//! Inside the async block of a branch, a finding is stamped with the clock of the machine.

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time as t;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Source {
    url: String,
}

#[activity]
async fn search(question: String) -> dacapo::Result<Vec<Source>> {
    Ok(vec![Source { url: question }])
}

#[activity]
async fn answer(question: String, sources: Vec<Source>) -> dacapo::Result<String> {
    Ok(format!("{question}: {}", sources.len()))
}

#[activity]
async fn write_report(findings: Vec<Value>) -> dacapo::Result<String> {
    Ok(json!(findings).to_string())
}

#[orchestrator]
async fn research(questions: Vec<String>) -> dacapo::Result<String> {
    let findings = try_join_all(questions.into_iter().map(|question| async move {
        let sources = search(question.clone()).await?;
        let urls: Vec<String> = sources.iter().map(|source| source.url.clone()).collect();
        let text = answer(question, sources).await?;
        Ok::<_, dacapo::Error>(json!({ "text": text, "urls": urls, "at": t::SystemTime::now() }))
    }))
    .await?;
    write_report(findings).await
}

fn main() {}
