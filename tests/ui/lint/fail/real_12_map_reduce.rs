//! The counts are started with `tokio::spawn`, beside the history.

use std::collections::BTreeMap;

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

type Counts = BTreeMap<String, u64>;

#[activity]
async fn count_words(file: String) -> dacapo::Result<Counts> {
    Ok(Counts::from([(file, 1)]))
}

#[activity]
async fn audit(files: usize) -> dacapo::Result<()> {
    println!("{files} files");
    Ok(())
}

fn merge(parts: Vec<Counts>) -> Counts {
    let mut all = Counts::new();
    for (word, count) in parts.into_iter().flatten() {
        *all.entry(word).or_default() += count;
    }
    all
}

#[orchestrator]
async fn word_count(files: Vec<String>) -> dacapo::Result<Counts> {
    let count = files.len();
    tokio::spawn(async move { audit(count).await });
    let parts = try_join_all(files.into_iter().map(count_words)).await?;
    Ok(merge(parts))
}

fn main() {}
