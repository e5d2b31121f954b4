//! Fan-out with batches and retries: 100 work items of two seconds each, all at once, 50 at a time, or with retries.
//!
//! ```sh
//! cargo run --release --example batch_processing                       # all at once: about 2 s
//! cargo run --release --example batch_processing -- controlled         # 50 at a time: about 4 s
//! cargo run --release --example batch_processing -- retrying --fail-every 10
//! cargo run --release --example batch_processing -- serve
//! curl -i -X POST localhost:7071/api/StartBatchProcessing              # 202, with the URLs to manage it
//! ```

mod begin;
mod failures;
mod pascal;
mod serve;
mod start;

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Parser, Subcommand};
use dacapo::{Client, Error, Retry, Runtime, activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Processes 100 work items and prints the summary, or serves the HTTP API.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How long each item takes, in milliseconds
    #[arg(long, global = true, value_name = "MS", default_value_t = 2000)]
    work_ms: u64,
    /// Makes every N-th item fail
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    fail_every: Option<u32>,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Processes 50 items at a time (ControlledFanOutOrchestrator)
    Controlled,
    /// Retries each item up to three times, and reports those that still fail (RetryingFanOutOrchestrator)
    Retrying,
    /// Serves `POST /api/StartBatchProcessing` and Durable Functions' HTTP API until Ctrl-C
    Serve(serve::Listen),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct WorkItem {
    id: u32,
    payload: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct ProcessingResult {
    item_id: u32,
    success: bool,
    processed_at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct BatchResult {
    total_processed: usize,
    success_count: usize,
    failure_count: usize,
    completed_at: String,
}

/// A [`BatchResult`], and the items that failed all their attempts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct PartialResult {
    total_processed: usize,
    success_count: usize,
    failure_count: usize,
    completed_at: String,
    failures: Vec<ItemFailure>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct ItemFailure {
    item_id: u32,
    error: String,
}

/// How `RetryingFanOutOrchestrator` retries. Members missing from the input have the published values.
#[derive(Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", remote = "Self")]
struct RetryPolicy {
    max_number_of_attempts: u32,
    /// In seconds.
    first_retry_interval: f64,
    backoff_coefficient: f64,
}

pascal::records!(WorkItem, ProcessingResult, BatchResult, PartialResult, ItemFailure, RetryPolicy);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_number_of_attempts: 3, first_retry_interval: 5.0, backoff_coefficient: 2.0 }
    }
}

impl RetryPolicy {
    fn retry(&self) -> dacapo::Result<Retry> {
        let invalid = |error| Error::msg(format!("invalid `FirstRetryInterval` {}: {error}", self.first_retry_interval));
        let first = Duration::try_from_secs_f64(self.first_retry_interval).map_err(invalid)?;
        Ok(Retry::exponential(first).backoff(self.backoff_coefficient).max_attempts(self.max_number_of_attempts))
    }
}

/// How the work of an item is simulated.
struct Work {
    each: Duration,
    fail_every: Option<u32>,
}

#[activity(name = "GetWorkItems")]
fn get_work_items() -> Vec<WorkItem> {
    let items: Vec<_> = (0..100).map(|id| WorkItem { id, payload: format!("item-{id}") }).collect();
    tracing::info!("Retrieved {} work items", items.len());
    items
}

#[activity(name = "ProcessSingleItem")]
async fn process_single_item(item: WorkItem) -> dacapo::Result<ProcessingResult> {
    let work = dacapo::state::<Work>();
    tokio::time::sleep(work.each).await;
    if work.fail_every.is_some_and(|every| (item.id + 1).is_multiple_of(every)) {
        return Err(Error::msg(format!("`{}` cannot be processed", item.payload)));
    }
    tracing::info!("Processed item {}", item.id);
    Ok(ProcessingResult { item_id: item.id, success: true, processed_at: written(SystemTime::now()) })
}

#[activity(name = "AggregateResults")]
fn aggregate_results(results: Vec<ProcessingResult>) -> BatchResult {
    aggregate(&results)
}

/// The same under the published spelling.
#[activity(name = "AggregatResults")]
fn aggregat_results(results: Vec<ProcessingResult>) -> BatchResult {
    aggregate(&results)
}

fn aggregate(results: &[ProcessingResult]) -> BatchResult {
    let success_count = results.iter().filter(|result| result.success).count();
    let failure_count = results.len() - success_count;
    tracing::info!("Batch complete: {success_count} succeeded, {failure_count} failed");
    BatchResult { total_processed: results.len(), success_count, failure_count, completed_at: written(SystemTime::now()) }
}

/// A time as .NET writes it.
fn written(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn named(items: &[WorkItem]) -> impl Iterator<Item = String> {
    items.iter().map(|item| format!("item {}", item.id))
}

/// Calls `AggregateResults`, or `AggregatResults` if that is the input. Any other input is ignored.
#[orchestrator(inline)]
async fn aggregated(input: Value, results: Vec<ProcessingResult>) -> BatchResult {
    if input == "AggregatResults" { aggregat_results(results).await } else { aggregate_results(results).await }
}

/// All items at once.
#[orchestrator(name = "ProcessBatchOrchestrator")]
async fn process_batch(input: Value) -> dacapo::Result<BatchResult> {
    let items = get_work_items().await;
    tracing::info!("Fanning out to process {} items", items.len());
    let results = join_all(items.iter().cloned().map(process_single_item)).await;
    Ok(aggregated(input, failures::all_or_named(named(&items), results)?).await)
}

/// 50 items at once; the next 50 begin when all of these have ended.
#[orchestrator(name = "ControlledFanOutOrchestrator")]
async fn controlled_fan_out(input: Value) -> dacapo::Result<BatchResult> {
    let items = get_work_items().await;
    let mut results = Vec::new();
    for batch in items.chunks(50) {
        results.extend(join_all(batch.iter().cloned().map(process_single_item)).await);
    }
    Ok(aggregated(input, failures::all_or_named(named(&items), results)?).await)
}

/// All items at once, each with retries. Items that fail all the same do not fail the batch.
#[orchestrator(name = "RetryingFanOutOrchestrator")]
async fn retrying_fan_out(policy: Option<RetryPolicy>) -> dacapo::Result<PartialResult> {
    let retry = policy.unwrap_or_default().retry()?;
    let items = get_work_items().await;
    tracing::info!("Fanning out to process {} items", items.len());
    let outcomes = join_all(items.iter().cloned().map(|item| process_single_item(item).retry(retry))).await;

    let (mut results, mut failures) = (Vec::new(), Vec::new());
    for (item, outcome) in items.iter().zip(outcomes) {
        results.push(outcome.unwrap_or_else(|error| {
            tracing::warn!("Item {} failed: {error}", item.id);
            failures.push(ItemFailure { item_id: item.id, error: error.to_string() });
            ProcessingResult { item_id: item.id, success: false, processed_at: written(dacapo::now()) }
        }));
    }
    let BatchResult { total_processed, success_count, failure_count, completed_at } = aggregate_results(results).await;
    Ok(PartialResult { total_processed, success_count, failure_count, completed_at, failures })
}

async fn start_batch_processing(State(client): State<Client>, request: Parts) -> Response {
    let started = client.start(process_batch(Value::Null)).await;
    if let Ok(run) = &started {
        tracing::info!("Started orchestration with ID {}", run.id());
    }
    start::accepted(started, &request)
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let Args { command, work_ms, fail_every, store } = begin::arguments();
    let runtime = Runtime::builder(store.url).state(Work { each: Duration::from_millis(work_ms), fail_every });
    let name = match command {
        Some(Command::Serve(listen)) => {
            let routes = Router::new().route("/api/startbatchprocessing", post(start_batch_processing));
            return serve::serve(listen, runtime, routes).await;
        }
        Some(Command::Controlled) => "ControlledFanOutOrchestrator",
        Some(Command::Retrying) => "RetryingFanOutOrchestrator",
        None => "ProcessBatchOrchestrator",
    };
    let runtime = runtime.open().await?;
    let output = runtime.start_named(name, ()).await?.result().await;
    runtime.shutdown().await?;
    println!("{}", output?.as_str());
    Ok(())
}
