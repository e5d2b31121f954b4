//! A helper of the same file reads the clock, behind another one: the message shows the chain.

use std::time::SystemTime;

fn stamp() -> SystemTime {
    SystemTime::now()
}

fn file_name(prefix: &str) -> String {
    format!("{prefix}-{:?}", stamp())
}

#[dacapo::orchestrator]
async fn export(prefix: String) -> String {
    file_name(&prefix)
}

fn main() {}
