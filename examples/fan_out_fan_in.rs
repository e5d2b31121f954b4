//! Fan-out / fan-in: five items at once, the results in input order.
//!
//! `cargo run --example fan_out_fan_in`

use dacapo::{Runtime, activity, orchestrator};
use futures::future::join_all;

/// Does the work of one item.
#[activity]
async fn process(item: u32) -> String {
    tokio::time::sleep(std::time::Duration::from_millis(u64::from(60 - 10 * item))).await;
    format!("item {item} processed")
}

/// Starts all items at once and waits for all of them.
#[orchestrator]
async fn fan_out_fan_in(items: Vec<u32>) -> Vec<String> {
    join_all(items.into_iter().map(process)).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let runtime = Runtime::open("sqlite:fan_out_fan_in.db").await?;
    let run = runtime.start(fan_out_fan_in(vec![1, 2, 3, 4, 5])).await?;
    for line in run.result().await? {
        println!("{line}");
    }
    runtime.shutdown().await?;
    Ok(())
}
