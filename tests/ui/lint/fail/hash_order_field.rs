//! A map in a field of a struct of this file.

use std::collections::HashMap;

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    tags: HashMap<String, String>,
}

#[dacapo::orchestrator]
async fn first_tag(order: Order) -> Option<String> {
    order.tags.values().next().cloned()
}

fn main() {}
