//! A set in a JSON value, and a map inside what a JSON text is made of.

use std::collections::{HashMap, HashSet};

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    notes: HashMap<String, u32>,
    ids: HashSet<u32>,
}

#[dacapo::orchestrator]
async fn describe(order: Order) -> dacapo::Result<String> {
    let ids = serde_json::json!({ "name": "order", "ids": order.ids }).to_string();
    let value = serde_json::to_value(&order)?;
    Ok(ids + &value.to_string() + &serde_json::to_string(&Some(&order.notes))? + &serde_json::to_string(&order)?)
}

fn main() {}
