//! The workloads on duroxide with its SQLite store, as it comes or, with `TUNED=1`, with the settings that made it fastest here.
//!
//! The sizes are smaller than ours where its cost per step grows with the history or a run would take many minutes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus};
use futures::future::try_join_all;
use harness::{Durability, Request, TEXT, report, report_latency, report_rate};

const LONG: Duration = Duration::from_secs(600);

async fn chain(ctx: OrchestrationContext, length: String) -> Result<String, String> {
    let mut text = TEXT.to_owned();
    for _ in 0..length.parse().unwrap_or(0) {
        text = ctx.schedule_activity("echo", text).await?;
    }
    Ok(text)
}

async fn fan_out(ctx: OrchestrationContext, width: String) -> Result<String, String> {
    let calls = (0..width.parse().unwrap_or(0)).map(|_| ctx.schedule_activity("echo", TEXT)).collect();
    let results: Result<Vec<_>, _> = ctx.join(calls).await.into_iter().collect();
    Ok(results?.len().to_string())
}

async fn wait_for_event(ctx: OrchestrationContext, _input: String) -> Result<String, String> {
    Ok(ctx.schedule_wait("go").await)
}

struct Bench {
    store: Arc<SqliteProvider>,
    client: Client,
    runtime: Arc<Runtime>,
}

impl Bench {
    async fn open(request: &Request, tuned: bool) -> anyhow::Result<Self> {
        let path = request.dir.join("bench.db");
        std::fs::File::create(&path)?;
        let store = Arc::new(SqliteProvider::new(&format!("sqlite:{}", path.display()), None).await?);
        let activities =
            ActivityRegistry::builder().register("echo", |_: ActivityContext, text: String| async move { Ok(text) }).build();
        let orchestrations = OrchestrationRegistry::builder()
            .register("chain", chain)
            .register("fan_out", fan_out)
            .register("wait_for_event", wait_for_event)
            .build();
        let options = if tuned {
            RuntimeOptions {
                // More dispatchers than the default of two and two lock each other out of the database, up to failed runs.
                dispatcher_min_poll_interval: Duration::from_millis(1),
                ..RuntimeOptions::default()
            }
        } else {
            RuntimeOptions::default()
        };
        let runtime = Runtime::start_with_options(store.clone(), activities, orchestrations, options).await;
        Ok(Self { client: Client::new(store.clone()), store, runtime })
    }

    async fn run(&self, id: &str, name: &str, input: &str) -> anyhow::Result<()> {
        self.client.start_orchestration(id, name, input).await.map_err(|error| anyhow!("{error:?}"))?;
        match self.client.wait_for_orchestration(id, LONG).await.map_err(|error| anyhow!("{error:?}"))? {
            OrchestrationStatus::Completed { .. } => Ok(()),
            other => Err(anyhow!("`{id}` ended as {other:?}")),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let request = Request::from_args()?;
    anyhow::ensure!(request.durability == Durability::Normal, "duroxide's SQLite store runs with synchronous = NORMAL only");
    let tuned = std::env::var_os("TUNED").is_some();
    let bench = Bench::open(&request, tuned).await?;
    match request.workload.as_str() {
        "chain" => {
            let length = if tuned { 300 } else { 50 };
            let start = Instant::now();
            bench.run("chain", "chain", &length.to_string()).await?;
            report_rate("chain of 1,000", length, start, "activities/s");
        }
        "fan-out" => {
            let width = 1_000;
            let start = Instant::now();
            bench.run("fan-out", "fan_out", &width.to_string()).await?;
            report_rate("fan-out of 10,000", width, start, "activities/s");
        }
        "many" => {
            let count = if tuned { 500 } else { 100 };
            let start = Instant::now();
            let ids: Vec<String> = (0..count).map(|number| format!("many-{number}")).collect();
            try_join_all(ids.iter().map(|id| bench.run(id, "chain", "5"))).await?;
            report_rate("many", count, start, "orchestrations/s");
        }
        "latency" => {
            let mut times = Vec::new();
            for number in 0..if tuned { 200 } else { 20 } {
                let start = Instant::now();
                bench.run(&format!("one-{number}"), "chain", "1").await?;
                times.push(start.elapsed());
            }
            report_latency("one activity", times);
        }
        "start" => {
            let (clients, each) = (64, 30);
            let start = Instant::now();
            let starters = (0..clients).map(|client| {
                let bench = &bench;
                async move {
                    for number in 0..each {
                        let id = format!("{client}-{number}");
                        let started = bench.client.start_orchestration(&id, "wait_for_event", "").await;
                        started.map_err(|error| anyhow!("{error:?}")).context("a start failed")?;
                    }
                    anyhow::Ok(())
                }
            });
            try_join_all(starters).await?;
            report_rate("starts", clients * each, start, "starts/s");
        }
        "size" => {
            let width = 1_000;
            bench.run("fan-out", "fan_out", &width.to_string()).await?;
            bench.store.checkpoint().await?;
            let size = std::fs::metadata(request.dir.join("bench.db"))?.len();
            report("size in a fan-out", size as f64 / f64::from(width), "bytes/activity");
        }
        other => anyhow::bail!("`{other}` is no workload of this program"),
    }
    bench.runtime.shutdown(None).await;
    Ok(())
}
