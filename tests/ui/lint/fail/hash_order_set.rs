//! A set that `collect` made.

use std::collections::HashSet;

#[dacapo::orchestrator]
async fn distinct(names: Vec<String>) -> Vec<String> {
    let names = names.into_iter().collect::<HashSet<_>>();
    names.iter().map(|name| name.to_uppercase()).collect()
}

fn main() {}
