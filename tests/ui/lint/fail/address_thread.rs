//! The thread that drives a run changes.

use std::thread::current;

#[dacapo::orchestrator]
async fn show(name: String) -> String {
    format!("{name} on {:?}", current().id())
}

fn main() {}
