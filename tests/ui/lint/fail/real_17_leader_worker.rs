//! What is left to do comes out of a set in the order of its hashes.

use std::collections::HashSet;

use dacapo::{activity, orchestrator};
use futures::future::join_all;

#[activity]
async fn visit(page: String) -> Option<Vec<String>> {
    Some(vec![page])
}

#[orchestrator]
async fn crawl(root: String, depth: u32) -> usize {
    let mut seen: HashSet<String> = HashSet::new();
    let mut found: HashSet<String> = HashSet::from([root]);
    for _ in 0..depth {
        let fresh: Vec<String> = found.difference(&seen).cloned().collect();
        if fresh.is_empty() {
            break;
        }
        seen.extend(fresh.iter().cloned());
        let pages = join_all(fresh.into_iter().map(visit)).await;
        for links in pages.into_iter().flatten() {
            found.extend(links);
        }
        dacapo::set_custom_status(&found.len());
    }
    seen.len()
}

fn main() {}
