//! Loops over a hash map that do the same in any order, and texts in which the order is fixed or goes nowhere.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use dacapo::orchestrator;

#[orchestrator]
async fn kept_in_order(counts: HashMap<String, u64>) -> BTreeMap<String, u64> {
    let mut ordered = BTreeMap::new();
    for (name, count) in counts {
        ordered.insert(name, count);
    }
    ordered
}

#[orchestrator]
async fn added_up(counts: HashMap<String, u64>) -> u64 {
    let mut sum = 0;
    let mut large = 0;
    let mut most: u64 = 0;
    for (_, count) in &counts {
        sum += count;
        most = most.max(*count);
        if *count > 100 {
            large += 1;
        }
    }
    for count in counts.values() {
        sum += *count;
    }
    sum + large + most + counts.values().sum::<u64>()
}

#[orchestrator]
async fn sorted_after(counts: HashMap<String, u64>) -> Vec<String> {
    let mut names = Vec::new();
    for (name, count) in &counts {
        if *count > 0 {
            names.push(name.clone());
        }
    }
    names.sort();
    names
}

#[orchestrator]
async fn of_sets(first: HashSet<u64>, second: HashSet<u64>) -> BTreeSet<u64> {
    let both: BTreeSet<u64> = (&first & &second).into_iter().collect();
    let common = (&first | &second).len() as u64;
    both.into_iter().filter(|value| *value < common).collect()
}

#[orchestrator]
async fn ordered_set(first: BTreeSet<u64>, second: BTreeSet<u64>) -> Vec<u64> {
    (&first & &second).into_iter().collect()
}

#[orchestrator]
async fn shown(ordered: BTreeMap<String, f64>, counts: HashMap<String, u64>) -> String {
    println!("{counts:?}");
    tracing::info!(?counts, "counted");
    assert!(!counts.is_empty(), "nothing was counted: {counts:?}");
    let mean = ordered.values().sum::<f64>() / counts.len() as f64;
    format!("{ordered:?} {mean} {}", counts.len())
}

#[orchestrator]
async fn kept(mut counts: HashMap<String, u64>, wanted: BTreeSet<String>) -> u64 {
    counts.retain(|name, count| *count > 0 && wanted.contains(name));
    for (name, count) in &counts {
        println!("{name}: {count}");
    }
    counts.len() as u64
}

fn main() {}
