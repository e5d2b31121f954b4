//! Files belong in activities.

use dacapo::{activity, orchestrator};

#[activity]
async fn read(path: String) -> dacapo::Result<String> {
    Ok(tokio::fs::read_to_string(path).await?)
}

#[activity]
fn write(path: String, text: String) -> dacapo::Result<()> {
    Ok(std::fs::write(path, text)?)
}

#[orchestrator]
async fn copy(from: String, to: String) -> dacapo::Result<()> {
    let text = read(from).await?;
    write(to, text.to_uppercase()).await
}

fn main() {}
