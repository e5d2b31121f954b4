//! A research agent: plans questions, researches them side by side, looks whether anything is missing, and goes on.

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    question: String,
    answer: String,
}

#[activity]
async fn plan(topic: String, known: Vec<Finding>) -> dacapo::Result<Vec<String>> {
    Ok(if known.is_empty() { vec![topic] } else { vec![] })
}

#[activity]
async fn search(question: String) -> dacapo::Result<Vec<String>> {
    Ok(vec![question])
}

#[activity]
async fn read(url: String) -> dacapo::Result<String> {
    Ok(url)
}

#[activity]
async fn answer(question: String, sources: Vec<String>) -> dacapo::Result<Finding> {
    Ok(Finding { answer: sources.join(" "), question })
}

#[activity]
async fn write_report(findings: Vec<Finding>) -> dacapo::Result<String> {
    Ok(json!(findings).to_string())
}

#[orchestrator]
pub async fn research_one(question: String) -> dacapo::Result<Finding> {
    let urls = search(question.clone()).await?;
    let pages = join_all(urls.into_iter().take(5).map(read)).await;
    let sources = pages.into_iter().filter_map(Result::ok).collect();
    answer(question, sources).await
}

#[orchestrator]
pub async fn research(topic: String) -> dacapo::Result<String> {
    let mut findings = Vec::new();
    for depth in 0..4 {
        let questions = plan(topic.clone(), findings.clone()).await?;
        if questions.is_empty() {
            break;
        }
        dacapo::set_custom_status(&json!({ "depth": depth, "questions": questions }));
        let answers = join_all(questions.into_iter().map(research_one)).await;
        findings.extend(answers.into_iter().flatten());
    }
    write_report(findings).await
}

fn main() {}
