//! A build graph: what has no open dependency runs, level after level.

use std::collections::{BTreeMap, BTreeSet};

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

type Graph = BTreeMap<String, BTreeSet<String>>;

#[activity]
async fn build(target: String) -> dacapo::Result<u64> {
    Ok(target.len() as u64)
}

fn ready(graph: &Graph, built: &BTreeSet<String>) -> Vec<String> {
    graph
        .iter()
        .filter(|(target, needs)| !built.contains(*target) && needs.is_subset(built))
        .map(|(target, _)| target.clone())
        .collect()
}

#[orchestrator]
pub async fn build_all(graph: Graph) -> dacapo::Result<u64> {
    let mut built = BTreeSet::new();
    let mut seconds = 0;
    while built.len() < graph.len() {
        let level = ready(&graph, &built);
        if level.is_empty() {
            return Err(dacapo::Error::msg("the graph has a cycle"));
        }
        let times = try_join_all(level.iter().cloned().map(build)).await?;
        seconds += times.iter().max().copied().unwrap_or(0);
        built.extend(level);
    }
    Ok(seconds)
}

fn main() {}
