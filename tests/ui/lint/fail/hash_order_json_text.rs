//! A hash map written as JSON.

use std::collections::HashMap;

#[dacapo::orchestrator]
async fn describe(counts: HashMap<String, u64>) -> dacapo::Result<String> {
    Ok(serde_json::to_string(&counts)?)
}

fn main() {}
