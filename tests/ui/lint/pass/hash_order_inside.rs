//! Values with hash collections inside that are recorded or shown in an order of their own.

use std::collections::{BTreeSet, HashMap, HashSet};

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize, Serializer};

/// A map's keys are compared, not their order.
#[derive(Clone, Serialize, Deserialize)]
struct Order {
    notes: HashMap<String, u32>,
    #[serde(skip)]
    seen: HashSet<u32>,
    #[serde(serialize_with = "sorted")]
    ids: HashSet<u32>,
    next: Option<Box<Order>>,
}

fn sorted<S: Serializer>(ids: &HashSet<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    ids.iter().collect::<BTreeSet<_>>().serialize(serializer)
}

#[derive(Clone, Deserialize)]
struct Tags(HashSet<String>);

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.iter().collect::<BTreeSet<_>>().serialize(serializer)
    }
}

#[activity]
async fn save(order: Order, tags: Tags) -> usize {
    order.notes.len() + tags.0.len()
}

#[activity]
async fn count(notes: HashMap<String, u32>) -> usize {
    notes.len()
}

#[orchestrator]
async fn save_all(orders: Vec<Order>, tags: Tags, wanted: HashSet<String>) -> dacapo::Result<String> {
    let mut sum = 0;
    for order in &orders {
        for (_, note) in &order.notes {
            sum += *note;
        }
        sum += order.notes.get("all").copied().unwrap_or(0) + order.seen.len() as u32;
    }
    sum += orders.iter().map(|order| order.notes.values().sum::<u32>()).sum::<u32>();
    let chosen = orders.iter().filter(|order| order.notes.keys().any(|name| wanted.contains(name))).count();
    join_all(orders.iter().map(|order| save(order.clone(), tags.clone()))).await;
    join_all(orders.iter().cloned().map(|order| count(order.notes))).await;
    let value = serde_json::json!({ "notes": orders[0].notes, "wanted": wanted.len(), "chosen": chosen });
    Ok(format!("{sum} {value} {}", serde_json::to_string(&tags)?))
}

fn main() {}
