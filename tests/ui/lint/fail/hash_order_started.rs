//! The number is the same in any order, the calls are not.

use std::collections::HashSet;

#[dacapo::activity]
async fn notify(name: String) {
    drop(name);
}

#[dacapo::orchestrator]
async fn notify_all(names: HashSet<String>) -> usize {
    names.into_iter().map(|name| notify(name).start()).count()
}

fn main() {}
