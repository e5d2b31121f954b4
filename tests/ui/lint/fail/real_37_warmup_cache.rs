//! The memo is filled in a loop and asked by nobody: the look-ups could all run at once.

use std::collections::BTreeMap;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Point {
    lat: f64,
    lon: f64,
}

#[activity]
async fn geocode(address: String) -> dacapo::Result<Point> {
    Ok(Point { lat: address.len() as f64, lon: 0.0 })
}

#[activity]
async fn save(points: BTreeMap<String, Point>) -> dacapo::Result<()> {
    drop(points);
    Ok(())
}

fn normalized(address: &str) -> String {
    address.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[orchestrator]
async fn place(addresses: Vec<String>) -> dacapo::Result<usize> {
    let mut known = BTreeMap::new();
    let mut number = 0;
    while number < addresses.len() {
        let address = normalized(&addresses[number]);
        number += 1;
        if address.is_empty() {
            continue;
        }
        let point = geocode(address.clone()).await?;
        known.insert(address, point);
    }
    let count = known.len();
    save(known).await?;
    Ok(count)
}

fn main() {}
