//! Finds the first bad commit: each probe halves what is left.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Build {
    Good,
    Bad,
    Broken,
}

#[activity]
async fn list_commits(good: String, bad: String) -> dacapo::Result<Vec<String>> {
    Ok(vec![good, bad])
}

#[activity(max_concurrent = 2)]
async fn test_commit(commit: String) -> dacapo::Result<Build> {
    Ok(if commit.is_empty() { Build::Bad } else { Build::Good })
}

#[orchestrator]
pub async fn bisect(good: String, bad: String) -> dacapo::Result<String> {
    let commits = list_commits(good, bad).await?;
    let (mut low, mut high) = (0, commits.len() - 1);
    while low + 1 < high {
        let mut middle = low + (high - low) / 2;
        let mut build = test_commit(commits[middle].clone()).await?;
        while build == Build::Broken && middle + 1 < high {
            middle += 1;
            build = test_commit(commits[middle].clone()).await?;
        }
        match build {
            Build::Good => low = middle,
            Build::Bad => high = middle,
            Build::Broken => return Err(dacapo::Error::msg("only broken builds are left")),
        }
    }
    Ok(commits[high].clone())
}

fn main() {}
