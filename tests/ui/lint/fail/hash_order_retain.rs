//! Which entries stay depends on those that were looked at before.

use std::collections::HashMap;

#[dacapo::orchestrator]
async fn first_three(mut counts: HashMap<String, u64>) -> usize {
    let mut left = 3;
    counts.retain(|_, _| {
        left -= 1;
        left >= 0
    });
    counts.len()
}

fn main() {}
