//! The example `batch_orders` with its loop unmarked: 500 lines of an order file, each waiting for the one before.

use std::path::PathBuf;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Row {
    line: u64,
    quantity: u64,
}

#[derive(Serialize, Deserialize)]
struct Receipt {
    line: u64,
    cents: u64,
}

#[activity]
fn load(file: PathBuf) -> dacapo::Result<Vec<Row>> {
    let text = std::fs::read_to_string(file)?;
    let rows = text.lines().zip(1..).map(|(quantity, line)| Ok(Row { line, quantity: quantity.parse()? }));
    rows.collect()
}

#[activity]
async fn process(row: Row) -> dacapo::Result<Receipt> {
    Ok(Receipt { line: row.line, cents: row.quantity * 4_900 })
}

#[orchestrator]
async fn process_batch(file: PathBuf) -> dacapo::Result<Vec<Receipt>> {
    let rows = load(file).await?;
    let mut receipts = Vec::with_capacity(rows.len());
    for row in rows {
        receipts.push(process(row).await?);
    }
    Ok(receipts)
}

fn main() {}
