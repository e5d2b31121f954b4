//! The workloads on Dacapo.

mod idle;
mod replay;
mod waiting;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use dacapo::store::Synchronous;
use dacapo::{Event, Runtime, activity, orchestrator};
use futures::future::join_all;
use harness::{Durability, Request, TEXT, report, report_latency, report_rate};

/// When each call of the chain ran.
static CALLS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

#[activity]
async fn echo(text: String) -> String {
    text
}

#[activity]
async fn clocked_echo(text: String) -> String {
    CALLS.lock().expect("nothing panics with it").push(Instant::now());
    text
}

#[orchestrator]
async fn chain(length: u32) -> String {
    let mut text = TEXT.to_owned();
    for _ in 0..length {
        text = clocked_echo(text).await;
    }
    text
}

#[orchestrator]
async fn fan_out(width: u32) -> usize {
    join_all((0..width).map(|_| echo(TEXT.to_owned()))).await.len()
}

#[orchestrator]
async fn chain_of_echoes(length: u32) -> String {
    let mut text = TEXT.to_owned();
    for _ in 0..length {
        text = echo(text).await;
    }
    text
}

#[orchestrator]
async fn one() -> String {
    echo(TEXT.to_owned()).await
}

const GO: Event<u32> = Event::new("go");

#[orchestrator]
async fn wait_for_event() -> u32 {
    GO.wait().await
}

#[orchestrator]
async fn consume(count: u32) -> u32 {
    let mut sum = 0;
    for _ in 0..count {
        sum += GO.wait().await;
    }
    sum
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // As a task, which is what a request handler of a server is.
    tokio::spawn(run(Request::from_args()?)).await?
}

async fn run(request: Request) -> anyhow::Result<()> {
    match request.workload.as_str() {
        "chain" => measure_chain(&request).await,
        "fan-out" => measure_fan_out(&request).await,
        "many" => measure_many(&request).await,
        "latency" => measure_latency(&request).await,
        "start" => measure_start(&request).await,
        "events" => measure_events(&request).await,
        "waiting" => waiting::measure(&request).await,
        "replay" => replay::measure(&request).await,
        "size" => measure_size(&request).await,
        "idle" => idle::measure(&request).await,
        other => anyhow::bail!("`{other}` is no workload"),
    }
}

/// Opens the store the request names, with everything else at its default.
async fn open(request: &Request) -> anyhow::Result<Runtime> {
    let database = database(&request.dir);
    Ok(match request.durability {
        Durability::Memory => Runtime::builder("memory:").open().await?,
        Durability::Full => Runtime::builder(database).synchronous(Synchronous::Full).open().await?,
        Durability::Normal => Runtime::builder(database).synchronous(Synchronous::Normal).open().await?,
    })
}

fn database(dir: &Path) -> String {
    format!("sqlite:{}", dir.join("bench.db").display())
}

async fn measure_chain(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    let start = Instant::now();
    runtime.start(chain(1_000)).await?.result().await?;
    report_rate("chain of 1,000", 1_000, start, "activities/s");
    // From here on the log no longer grows.
    runtime.start(chain(3_000)).await?.result().await?;
    CALLS.lock().expect("nothing panics with it").clear();
    let start = Instant::now();
    runtime.start(chain(10_000)).await?.result().await?;
    report_rate("chain of 10,000", 10_000, start, "activities/s");
    let calls = std::mem::take(&mut *CALLS.lock().expect("nothing panics with it"));
    let step = |from: usize, to: usize| {
        let mut steps: Vec<_> = calls[from..to].windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort();
        steps[steps.len() / 2].as_secs_f64()
    };
    report("last steps / first steps", step(9_000, 10_000) / step(10, 1_010), "×");
    runtime.shutdown().await?;
    Ok(())
}

async fn measure_fan_out(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    for (name, width) in [("fan-out of 10,000", 10_000), ("fan-out of 100,000", 100_000)] {
        let start = Instant::now();
        runtime.start(fan_out(width)).await?.result().await?;
        report_rate(name, width as usize, start, "activities/s");
    }
    runtime.shutdown().await?;
    Ok(())
}

async fn measure_many(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    let count = 10_000;
    let start = Instant::now();
    let runs = join_all((0..count).map(|_| async { anyhow::Ok(runtime.start(chain_of_echoes(5)).await?.result().await?) })).await;
    for run in runs {
        run?;
    }
    report_rate("many", count, start, "orchestrations/s");
    report("most memory", harness::memory_kib("VmHWM") / 1024.0, "MiB");
    runtime.shutdown().await?;
    Ok(())
}

async fn measure_latency(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    let mut times = Vec::new();
    // The first ones grow the log of a new file, which takes the disk several times as long.
    let warm_up = 500;
    for _ in 0..2_000 + warm_up {
        let start = Instant::now();
        runtime.start(one()).await?.result().await?;
        times.push(start.elapsed());
    }
    report_latency("one activity", times.split_off(warm_up));
    runtime.shutdown().await?;
    Ok(())
}

async fn measure_start(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    let (clients, each) = (64, 1_000);
    let start = Instant::now();
    let starters = (0..clients).map(|_| {
        let client = runtime.client();
        tokio::spawn(async move {
            for _ in 0..each {
                client.start(wait_for_event()).await?;
            }
            anyhow::Ok(())
        })
    });
    for starter in join_all(starters).await {
        starter??;
    }
    report_rate("starts", clients * each, start, "starts/s");
    runtime.shutdown().await?;
    Ok(())
}

async fn measure_events(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    let count = 10_000;
    let run = runtime.start(consume(count)).await?;
    let start = Instant::now();
    let raised = join_all((0..count).map(|_| run.raise(GO, 1))).await;
    raised.into_iter().collect::<Result<(), _>>()?;
    anyhow::ensure!(run.result().await? == count, "an event was lost");
    report_rate("events", count as usize, start, "events/s");
    runtime.shutdown().await?;
    Ok(())
}

async fn measure_size(request: &Request) -> anyhow::Result<()> {
    let file = request.dir.join("bench.db");
    let mut before = 0;
    for (name, count) in [("fan-out", 20_000), ("chain", 5_000)] {
        let runtime = open(request).await?;
        if name == "chain" {
            runtime.start(chain_of_echoes(count)).await?.result().await?;
        } else {
            runtime.start(fan_out(count)).await?.result().await?;
        }
        runtime.shutdown().await?;
        let size = std::fs::metadata(&file)?.len();
        report(&format!("size in a {name}"), (size - before) as f64 / f64::from(count), "bytes/activity");
        before = size;
    }
    Ok(())
}

/// Gives everything under way the time to settle.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}
