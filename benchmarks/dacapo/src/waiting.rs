//! A million instances that wait: half for an event, half for a timer of a day.

use std::time::{Duration, Instant};

use dacapo::orchestrator;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use harness::{Request, memory_kib, report, report_latency, report_rate};

use crate::{GO, open, wait_for_event};

const INSTANCES: u32 = 1_000_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[orchestrator]
async fn wait_a_day() -> u32 {
    dacapo::timeout(DAY, GO.wait()).await.unwrap_or_default()
}

pub async fn measure(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    let client = runtime.client();
    let start = Instant::now();
    let starts = stream::iter(0..INSTANCES).map(|number| {
        let client = client.clone();
        async move {
            if number % 2 == 0 {
                client.start(wait_for_event()).id(number.to_string()).await.map(drop)
            } else {
                client.start(wait_a_day()).id(number.to_string()).await.map(drop)
            }
        }
    });
    starts.buffer_unordered(1_000).try_collect::<()>().await?;
    report_rate("starts into waiting", INSTANCES as usize, start, "starts/s");
    report("most memory with a million waiting", memory_kib("VmHWM") / 1024.0, "MiB");
    drop(client);
    runtime.shutdown().await?;

    let start = Instant::now();
    let runtime = open(request).await?;
    report("restart with a million waiting", start.elapsed().as_secs_f64(), "s");
    let mut times = Vec::new();
    for step in 0..1_000u32 {
        // A prime stride, so that they come from all over the file.
        let number = step * 7_919 * 97 % INSTANCES;
        let start = Instant::now();
        let value = if number.is_multiple_of(2) {
            let run = runtime.client().attach(wait_for_event, number.to_string());
            run.raise(GO, step).await?;
            run.result().await?
        } else {
            let run = runtime.client().attach(wait_a_day, number.to_string());
            run.raise(GO, step).await?;
            run.result().await?
        };
        anyhow::ensure!(value == step, "another event arrived");
        times.push(start.elapsed());
    }
    report_latency("event to one of a million", times);
    runtime.shutdown().await?;
    Ok(())
}
