//! A function given by name is read all the same.

use std::time::SystemTime;

#[dacapo::orchestrator]
async fn start(at: Option<SystemTime>) -> SystemTime {
    at.unwrap_or_else(SystemTime::now)
}

fn main() {}
