//! A sum of floats rounds differently in another order.

use std::collections::HashMap;

#[dacapo::orchestrator]
async fn total(prices: HashMap<String, f64>) -> f64 {
    prices.values().sum()
}

fn main() {}
