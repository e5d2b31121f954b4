//! Map-reduce: count words per file side by side, then merge the counts two by two.

use std::collections::BTreeMap;

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

type Counts = BTreeMap<String, u64>;

#[activity]
async fn count_words(file: String) -> dacapo::Result<Counts> {
    let text = std::fs::read_to_string(file)?;
    let mut counts = Counts::new();
    for word in text.split_whitespace() {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    Ok(counts)
}

#[activity]
async fn merge(left: Counts, right: Counts) -> dacapo::Result<Counts> {
    let mut all = left;
    for (word, count) in right {
        *all.entry(word).or_default() += count;
    }
    Ok(all)
}

#[orchestrator]
pub async fn word_count(files: Vec<String>) -> dacapo::Result<Counts> {
    let mut level = try_join_all(files.into_iter().map(count_words)).await?;
    while level.len() > 1 {
        let odd = if level.len() % 2 == 1 { level.pop() } else { None };
        let pairs = level.chunks(2).map(|pair| merge(pair[0].clone(), pair[1].clone()));
        level = try_join_all(pairs).await?;
        level.extend(odd);
    }
    Ok(level.pop().unwrap_or_default())
}

fn main() {}
