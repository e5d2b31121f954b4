//! A helper walks the graph in hash order, and the builds start in that order.

use std::collections::{BTreeSet, HashMap};

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

type Graph = HashMap<String, Vec<String>>;

#[activity]
async fn build(target: String) -> dacapo::Result<u64> {
    Ok(target.len() as u64)
}

fn is_ready(graph: &Graph, target: &str, built: &BTreeSet<String>) -> bool {
    graph.get(target).is_some_and(|needs| needs.iter().all(|need| built.contains(need)))
}

fn ready(graph: &Graph, built: &BTreeSet<String>) -> Vec<String> {
    graph.keys().filter(|target| !built.contains(*target) && is_ready(graph, target, built)).cloned().collect()
}

#[orchestrator]
async fn build_all(graph: Graph) -> dacapo::Result<u64> {
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
