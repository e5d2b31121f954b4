//! The maps in a list's items.

use std::collections::HashMap;

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    notes: HashMap<String, u32>,
}

#[dacapo::orchestrator]
async fn all_notes(orders: Vec<Order>) -> Vec<u32> {
    let mut all = Vec::new();
    for order in &orders {
        for (_, note) in &order.notes {
            all.push(*note);
        }
    }
    all.extend(orders.iter().flat_map(|order| order.notes.values()));
    all.extend(orders[0].notes.values());
    all
}

fn main() {}
