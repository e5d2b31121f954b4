//! The broken version of the example `process_batch`: 500 order lines, each awaited inside the loop before the next is scheduled.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct OrderItem {
    sku: String,
    quantity: i64,
}

#[derive(Serialize, Deserialize)]
struct OrderResult {
    sku: String,
    reserved: bool,
    cents: i64,
}

#[derive(Serialize, Deserialize)]
struct BatchSummary {
    processed: usize,
    reserved: usize,
    cents: i64,
}

#[activity(name = "ProcessItemActivity")]
async fn process_item(item: OrderItem) -> dacapo::Result<OrderResult> {
    Ok(OrderResult { sku: item.sku, reserved: item.quantity > 0, cents: item.quantity * 999 })
}

#[activity(name = "SummarizeBatchActivity")]
async fn summarize_batch(results: Vec<OrderResult>) -> dacapo::Result<BatchSummary> {
    let reserved = results.iter().filter(|result| result.reserved).count();
    Ok(BatchSummary { processed: results.len(), reserved, cents: results.iter().map(|result| result.cents).sum() })
}

#[orchestrator(name = "ProcessBatchOrchestrator")]
async fn process_batch(items: Vec<OrderItem>) -> dacapo::Result<BatchSummary> {
    let mut results = Vec::new();
    for item in items {
        results.push(process_item(item).await?);
    }
    summarize_batch(results).await
}

fn main() {}
