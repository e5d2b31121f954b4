//! The writer of a booking is named after the process.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    debit: String,
    credit: String,
    cents: i64,
}

mod writer {
    use std::process;

    pub fn name(ledger: &str) -> String {
        format!("{ledger}@{}", process::id())
    }
}

#[activity]
async fn head(ledger: String) -> dacapo::Result<String> {
    Ok(ledger)
}

#[activity]
async fn append(previous: String, entry: Entry, writer: String) -> dacapo::Result<String> {
    Ok(format!("{previous}/{}-{}-{}-{writer}", entry.debit, entry.credit, entry.cents))
}

#[orchestrator]
async fn book(ledger: String, entries: Vec<Entry>) -> dacapo::Result<String> {
    let writer = writer::name(&ledger);
    let mut hash = head(ledger).await?;
    for entry in entries {
        hash = append(hash, entry, writer.clone()).await?;
    }
    Ok(hash)
}

fn main() {}
