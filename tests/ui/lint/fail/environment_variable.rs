//! A variable of the environment can be another one in the process that replays.

use std::env::var;

#[dacapo::orchestrator]
async fn region(name: String) -> String {
    format!("{name} in {}", var("REGION").unwrap_or_default())
}

fn main() {}
