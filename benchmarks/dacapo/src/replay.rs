//! How fast a history is read and played again by a process that has never seen it.

use std::time::Instant;

use dacapo::{Runtime, orchestrator};
use futures::future::join_all;
use harness::{Request, TEXT, report_rate};

use crate::{GO, database, echo};

const CALLS: u32 = 50_000;

#[orchestrator]
async fn long_chain(calls: u32) -> u32 {
    let mut text = TEXT.to_owned();
    for _ in 0..calls {
        text = echo(text).await;
    }
    GO.wait().await
}

#[orchestrator]
async fn wide_fan_out(calls: u32) -> u32 {
    join_all((0..calls).map(|_| echo(TEXT.to_owned()))).await;
    GO.wait().await
}

/// The histories are made without waiting for the disk; what is measured only reads them.
pub async fn measure(request: &Request) -> anyhow::Result<()> {
    let url = format!("{}?synchronous=NORMAL", database(&request.dir));
    let runtime = Runtime::open(&url).await?;
    let chain = runtime.start(long_chain(CALLS)).id("chain").await?;
    let fan_out = runtime.start(wide_fan_out(CALLS)).id("fan-out").await?;
    for run in ["chain", "fan-out"] {
        while runtime.client().history(run).await?.iter().map(|turn| turn.events.len()).sum::<usize>() < 2 * CALLS as usize {
            crate::settle().await;
        }
    }
    drop((chain, fan_out));
    runtime.shutdown().await?;

    let events = 2 * CALLS as usize;
    let runtime = Runtime::open(&url).await?;
    let chain = runtime.client().attach(long_chain, "chain");
    let start = Instant::now();
    chain.raise(GO, 1).await?;
    chain.result().await?;
    report_rate("replay of a chain", events, start, "events/s");
    let fan_out = runtime.client().attach(wide_fan_out, "fan-out");
    let start = Instant::now();
    fan_out.raise(GO, 1).await?;
    fan_out.result().await?;
    report_rate("replay of a fan-out", events, start, "events/s");
    runtime.shutdown().await?;
    Ok(())
}
