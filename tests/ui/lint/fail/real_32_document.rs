//! The argument of an orchestrator is borrowed; it has to outlive a restart.

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

#[activity]
async fn scan(path: String) -> dacapo::Result<Vec<String>> {
    Ok(vec![path])
}

#[activity]
async fn recognize(page: String) -> dacapo::Result<String> {
    Ok(page.to_uppercase())
}

#[activity]
async fn file_away(text: String, tags: Vec<String>) -> dacapo::Result<String> {
    Ok(format!("{}: {tags:?}", text.len()))
}

fn joined(pages: &[String]) -> String {
    pages.iter().map(|page| page.trim()).collect::<Vec<_>>().join("\n")
}

#[orchestrator]
async fn archive(path: String, tags: &[String]) -> dacapo::Result<String> {
    let pages = try_join_all(scan(path).await?.into_iter().map(recognize)).await?;
    if let Some(page) = pages.iter().max_by_key(|page| page.len()) {
        println!("the longest page has {} letters", page.len());
    }
    file_away(joined(&pages), tags.to_vec()).await
}

fn main() {}
