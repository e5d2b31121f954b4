//! Looking things up in a hash map, filling it, counting it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

#[dacapo::orchestrator]
async fn count(words: Vec<String>, ignored: HashSet<String>) -> u64 {
    let mut counts: HashMap<String, u64> = HashMap::with_capacity(words.len());
    for word in &words {
        if !ignored.contains(word) {
            *counts.entry(word.clone()).or_insert(0) += 1;
        }
    }
    if let Entry::Occupied(entry) = counts.entry("the".to_owned()) {
        entry.remove();
    }
    counts.insert("end".to_owned(), 1);
    counts.extend([("more".to_owned(), 2)]);
    let most = words.iter().filter_map(|word| counts.get(word)).max().copied();
    most.unwrap_or_default() + counts.len() as u64 + u64::from(counts.is_empty())
}

fn main() {}
