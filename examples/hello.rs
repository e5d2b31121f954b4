//! The first program of the README: five items at once, the results in input order. `cargo run --example hello`

use dacapo::{Runtime, activity, orchestrator};
use futures::future::join_all;

/// An activity does work: I/O, randomness, anything.
#[activity]
async fn process(item: u32) -> String {
    format!("item {item} processed")
}

/// An orchestrator decides: it starts all items at once and waits for all of them.
#[orchestrator]
async fn fan_out_fan_in(items: Vec<u32>) -> Vec<String> {
    join_all(items.into_iter().map(process)).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let runtime = Runtime::open("sqlite:hello.db").await?;
    let run = runtime.start(fan_out_fan_in(vec![1, 2, 3, 4, 5])).await?;
    for line in run.result().await? {
        println!("{line}");
    }
    runtime.shutdown().await?;
    Ok(())
}
