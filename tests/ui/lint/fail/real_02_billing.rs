//! The invoices are made in the order of a hash map, which is another one in the process that replays.

use std::collections::HashMap;

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Usage {
    customer: String,
    amount: u64,
}

#[activity]
async fn collect_usage(month: u32) -> dacapo::Result<Vec<Usage>> {
    Ok(vec![Usage { customer: month.to_string(), amount: 1 }])
}

#[activity]
async fn invoice(customer: String, amount: u64) -> dacapo::Result<String> {
    Ok(format!("{customer}: {amount}"))
}

#[orchestrator]
async fn bill_everybody(month: u32) -> dacapo::Result<Vec<String>> {
    let usage = collect_usage(month).await?;
    let mut totals: HashMap<String, u64> = HashMap::new();
    for row in usage {
        *totals.entry(row.customer).or_default() += row.amount;
    }
    println!("{} customers", totals.len());
    let calls = totals.iter().filter(|(_, amount)| **amount > 0).map(|(customer, amount)| invoice(customer.clone(), *amount));
    try_join_all(calls).await
}

fn main() {}
