//! A hash map shown in a text.

use std::collections::HashMap;

#[dacapo::orchestrator]
async fn describe(counts: HashMap<String, u64>) -> String {
    format!("sold: {counts:?}")
}

fn main() {}
