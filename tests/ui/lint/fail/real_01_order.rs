//! Lines of an order are reserved one after another although no line needs another.

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    sku: String,
    cents: u64,
}

#[activity]
async fn reserve(line: Line) -> dacapo::Result<String> {
    Ok(line.sku)
}

#[activity]
async fn release(reservation: String) -> dacapo::Result<()> {
    drop(reservation);
    Ok(())
}

#[activity]
async fn charge(card: String, cents: u64) -> dacapo::Result<String> {
    Ok(format!("{card}: {cents}"))
}

#[orchestrator]
async fn process_order(card: String, lines: Vec<Line>) -> dacapo::Result<String> {
    let cents = lines.iter().map(|line| line.cents).sum();
    let mut reservations = Vec::with_capacity(lines.len());
    for line in lines {
        reservations.push(reserve(line).await?);
    }
    match charge(card, cents).await {
        Ok(receipt) => Ok(receipt),
        Err(error) => {
            join_all(reservations.into_iter().map(release)).await;
            Err(error)
        }
    }
}

fn main() {}
