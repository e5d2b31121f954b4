//! Double-entry bookings that must stand in the ledger one after the other.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    debit: String,
    credit: String,
    cents: i64,
}

#[activity]
async fn head(ledger: String) -> dacapo::Result<String> {
    Ok(ledger)
}

#[activity]
async fn append(previous: String, entry: Entry) -> dacapo::Result<String> {
    Ok(format!("{previous}/{}-{}-{}", entry.debit, entry.credit, entry.cents))
}

#[activity]
async fn seal(ledger: String, hash: String) -> dacapo::Result<()> {
    println!("{ledger} ends at {hash}");
    Ok(())
}

#[orchestrator]
pub async fn book(ledger: String, entries: Vec<Entry>) -> dacapo::Result<String> {
    let balance: i64 = entries.iter().map(|entry| entry.cents).sum();
    if balance < 0 || entries.iter().any(|entry| entry.debit == entry.credit) {
        return Err(dacapo::Error::msg("these entries cannot be booked"));
    }
    let mut hash = head(ledger.clone()).await?;
    for entry in entries {
        let next = append(hash, entry).await?;
        hash = next;
    }
    seal(ledger, hash.clone()).await?;
    Ok(hash)
}

fn main() {}
