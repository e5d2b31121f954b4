//! A timer that nobody waits for.

use std::time::Duration;

#[dacapo::orchestrator]
async fn remind(name: String) -> String {
    dacapo::sleep(Duration::from_secs(60));
    name
}

fn main() {}
