//! Folds a long text into a summary: each part is read with what was understood before.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    text: String,
    open_questions: Vec<String>,
}

#[activity]
async fn load(document: String) -> dacapo::Result<Vec<String>> {
    Ok(document.split("\n\n").map(str::to_owned).collect())
}

#[activity]
async fn ask_model(prompt: String) -> dacapo::Result<Summary> {
    Ok(Summary { text: prompt, open_questions: vec![] })
}

fn prompt(summary: &Summary, part: &str) -> String {
    let questions: Vec<String> = summary.open_questions.iter().map(|question| format!("- {question}")).collect();
    format!("So far:\n{}\n{}\nNext part:\n{part}", summary.text, questions.join("\n"))
}

#[orchestrator]
pub async fn summarize(document: String) -> dacapo::Result<Summary> {
    let parts = load(document).await?;
    let mut summary = Summary::default();
    for (number, part) in parts.iter().enumerate() {
        summary = ask_model(prompt(&summary, part)).await?;
        dacapo::set_custom_status(&format!("{} of {}", number + 1, parts.len()));
    }
    Ok(summary)
}

fn main() {}
