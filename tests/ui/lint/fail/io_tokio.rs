//! Tokio's files are files.

use tokio::fs;

#[dacapo::orchestrator]
async fn load(path: String) -> dacapo::Result<String> {
    Ok(fs::read_to_string(path).await?)
}

fn main() {}
