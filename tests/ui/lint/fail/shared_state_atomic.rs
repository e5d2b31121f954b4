//! A counter in a static.

use std::sync::atomic::{AtomicU64, Ordering};

static RUNS: AtomicU64 = AtomicU64::new(0);

#[dacapo::orchestrator]
async fn count(name: String) -> String {
    format!("{name} {}", RUNS.fetch_add(1, Ordering::Relaxed))
}

fn main() {}
