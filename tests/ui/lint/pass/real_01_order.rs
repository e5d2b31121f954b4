//! Order processing: reserve every line at once, charge, undo the reservations when the card is declined.

use std::fmt;

use dacapo::{Retry, activity, orchestrator};
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    sku: String,
    count: u32,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    id: String,
    card: String,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum OrderError {
    OutOfStock(String),
    Declined,
    Engine(dacapo::Failure),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for OrderError {}

impl From<dacapo::Failure> for OrderError {
    fn from(failure: dacapo::Failure) -> Self {
        Self::Engine(failure)
    }
}

#[activity(retry = Retry::none())]
async fn reserve(line: Line) -> Result<String, OrderError> {
    if line.count > 100 { Err(OrderError::OutOfStock(line.sku)) } else { Ok(format!("r-{}", line.sku)) }
}

#[activity]
async fn release(reservation: String) {
    println!("released {reservation}");
}

#[activity]
async fn charge(card: String, cents: u64) -> Result<String, OrderError> {
    if cents == 0 { Err(OrderError::Declined) } else { Ok(format!("receipt for {card}")) }
}

fn total(lines: &[Line]) -> u64 {
    lines.iter().map(|line| line.cents * u64::from(line.count)).sum()
}

#[orchestrator]
pub async fn process_order(order: Order) -> Result<String, OrderError> {
    println!("order {} has {} lines", order.id, order.lines.len());
    let reservations = try_join_all(order.lines.iter().cloned().map(reserve)).await?;
    let receipt = match charge(order.card.clone(), total(&order.lines)).await {
        Ok(receipt) => receipt,
        Err(error) => {
            join_all(reservations.into_iter().map(release)).await;
            return Err(error);
        }
    };
    Ok(receipt)
}

fn main() {}
