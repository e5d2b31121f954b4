//! A clock that came with a glob import.

use std::time::*;

#[dacapo::orchestrator]
async fn measure(name: String) -> String {
    let start = Instant::now();
    format!("{name} {start:?}")
}

fn main() {}
