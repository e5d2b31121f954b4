//! Each part is summarized without what came before, so the parts do not need each other.

use dacapo::{activity, orchestrator};

#[activity]
async fn load(document: String) -> dacapo::Result<Vec<String>> {
    Ok(document.split("\n\n").map(str::to_owned).collect())
}

#[activity]
async fn ask_model(prompt: String) -> Result<String, String> {
    if prompt.is_empty() { Err("empty".into()) } else { Ok(prompt) }
}

fn prompt(title: &str, part: &str) -> String {
    format!("Summarize this part of {title}:\n{part}")
}

#[orchestrator]
async fn summarize(title: String, document: String) -> dacapo::Result<String> {
    let parts = load(document).await?;
    let mut summary = String::new();
    for (number, part) in parts.iter().enumerate() {
        let text = match ask_model(prompt(&title, part)).await {
            Ok(text) => text,
            Err(error) => return Err(dacapo::Error::msg(format!("part {number}: {error}"))),
        };
        summary.push_str(&text);
        summary.push('\n');
    }
    Ok(summary)
}

fn main() {}
