//! What two sets have in common comes in hash order, too.

use std::collections::HashSet;

#[dacapo::orchestrator]
async fn both(first: HashSet<String>, second: HashSet<String>) -> Vec<String> {
    let mut names = vec![];
    for name in &first & &second {
        names.push(name);
    }
    names
}

fn main() {}
