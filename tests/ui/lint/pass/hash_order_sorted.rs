//! What comes out of a hash map is sorted before it matters, or its order cannot matter.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dacapo::{activity, orchestrator};
use futures::future::join_all;

#[activity]
async fn price(item: String) -> u64 {
    item.len() as u64
}

fn names(counts: &HashMap<String, u64>) -> Vec<String> {
    let mut names: Vec<String> = counts.keys().cloned().collect();
    names.sort();
    names
}

#[orchestrator]
async fn prices(counts: HashMap<String, u64>) -> u64 {
    let total: u64 = counts.values().sum();
    let has_any = counts.values().any(|count| *count > 0);
    let set: BTreeSet<&String> = counts.keys().collect();
    let mut pairs: Vec<_> = counts.iter().collect();
    pairs.sort_unstable();
    let dearest = pairs.last().map_or(0, |(_, count)| **count);
    let prices = join_all(names(&counts).into_iter().map(price)).await;
    let distinct = set.len() as u64;
    let ordered = counts.into_iter().collect::<BTreeMap<_, _>>();
    let again = join_all(ordered.into_keys().map(price)).await;
    total + dearest + distinct + u64::from(has_any) + prices.iter().sum::<u64>() + again.len() as u64
}

fn main() {}
