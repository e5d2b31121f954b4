//! A sleeping thread sleeps in every replay.

use std::time::Duration;

#[dacapo::orchestrator]
async fn remind(name: String) -> String {
    std::thread::sleep(Duration::from_secs(60));
    name
}

fn main() {}
