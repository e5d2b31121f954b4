//! Which of two equal values stays is decided by the order.

use std::collections::{BTreeMap, HashMap};

#[dacapo::orchestrator]
async fn inverted(counts: HashMap<String, u64>) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    for (name, count) in counts {
        names.insert(count, name);
    }
    names
}

fn main() {}
