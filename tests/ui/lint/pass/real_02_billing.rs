//! Monthly billing: sum the usage per item, make an invoice, try the card three times a day apart.

use std::collections::HashMap;
use std::time::Duration;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Serialize, Deserialize)]
pub struct Usage {
    item: String,
    amount: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Invoice {
    number: String,
    cents: u64,
}

#[activity]
async fn collect_usage(account: String, month: u32) -> dacapo::Result<Vec<Usage>> {
    Ok(vec![Usage { item: account, amount: month.into() }])
}

#[activity]
async fn make_invoice(account: String, items: Vec<(String, u64)>) -> dacapo::Result<Invoice> {
    Ok(Invoice { number: account, cents: items.iter().map(|(_, amount)| amount).sum() })
}

#[activity]
async fn charge(account: String, cents: u64) -> dacapo::Result<()> {
    if cents > 10_000 { Err(dacapo::Error::msg(format!("{account} is over its limit"))) } else { Ok(()) }
}

#[activity]
async fn suspend(account: String) -> dacapo::Result<()> {
    drop(account);
    Ok(())
}

#[orchestrator]
pub async fn bill(account: String, month: u32) -> dacapo::Result<Invoice> {
    let usage = collect_usage(account.clone(), month).await?;
    let mut per_item: HashMap<String, u64> = HashMap::new();
    for row in &usage {
        *per_item.entry(row.item.clone()).or_default() += row.amount;
    }
    let mut items: Vec<(String, u64)> = per_item.into_iter().collect();
    items.sort();
    let invoice = make_invoice(account.clone(), items).await?;
    for attempt in 1..=3u32 {
        match charge(account.clone(), invoice.cents).await {
            Ok(()) => return Ok(invoice),
            Err(error) => println!("attempt {attempt} for {}: {error}", invoice.number),
        }
        dacapo::sleep(DAY * attempt).await;
    }
    suspend(account).await?;
    Err(dacapo::Error::msg("unpaid"))
}

fn main() {}
