//! A macro of the user's own stands around an awaited call.

use dacapo::{activity, orchestrator};

macro_rules! or_stop {
    ($value:expr, $($why:tt)*) => {
        match $value {
            Ok(value) => value,
            Err(error) => return Err(dacapo::Error::msg(format!("{}: {error}", format!($($why)*)))),
        }
    };
}

#[activity]
async fn list_commits(good: String, bad: String) -> dacapo::Result<Vec<String>> {
    Ok(vec![good, bad])
}

#[activity(max_concurrent = 2)]
async fn is_good(commit: String) -> dacapo::Result<bool> {
    Ok(commit.is_empty())
}

#[orchestrator]
async fn bisect(good: String, bad: String) -> dacapo::Result<String> {
    let commits = list_commits(good, bad).await?;
    let (mut low, mut high) = (0, commits.len() - 1);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if or_stop!(is_good(commits[middle].clone()).await, "commit {middle}") {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(commits[high].clone())
}

fn main() {}
