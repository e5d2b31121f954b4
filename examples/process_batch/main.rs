//! A batch of order lines: every line is an activity of its own, all at once, and the summary is the output.
//!
//! ```sh
//! cargo run --release --example process_batch                          # 500 order lines
//! cargo run --release --example process_batch -- orders.json           # those of a file: [{"Sku": "A-1", "Quantity": 2}, …]
//! cargo run --release --example process_batch -- measure               # one by one against all at once, and pages in two versions
//! cargo run --release --example process_batch -- serve
//! curl -i localhost:7071/api/batches --json '[{"Sku": "A-1", "Quantity": 2}]'           # 202, with the URLs to manage it
//! curl -i 'localhost:7071/api/batches?wait=5' --json '[{"Sku": "A-1", "Quantity": 2}]'  # waits up to five seconds for the summary
//! ```
//!
//! `tests/ui/lint/fail/real_42_process_batch.rs` is the broken version, which awaits inside the loop: it does not compile.

#[path = "../begin/mod.rs"]
mod begin;
#[path = "../failures/mod.rs"]
mod failures;
mod measure;
mod money;
mod pages;
#[path = "../pascal/mod.rs"]
mod pascal;
#[path = "../serve/mod.rs"]
mod serve;
#[path = "../start/mod.rs"]
mod start;

use std::fmt::Display;
use std::num::ParseFloatError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::post;
use clap::{Parser, Subcommand};
use dacapo::{Client, Error, Runtime, activity, http, orchestrator};
use futures::future::join_all;
use money::Cents;
use serde::{Deserialize, Serialize};

/// Processes a batch of order lines and prints the summary, or serves the HTTP API.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A JSON file with the order lines; without it, 500 lines are generated
    file: Option<PathBuf>,
    /// How long each line takes, in milliseconds
    #[arg(long, global = true, value_name = "MS", default_value_t = 5)]
    work_ms: u64,
    /// Makes the lines with this SKU fail (repeatable)
    #[arg(long, global = true, value_name = "SKU")]
    fail: Vec<String>,
    /// Where rendered pages go
    #[arg(long, global = true, value_name = "FOLDER", default_value = "blobs")]
    blobs: PathBuf,
    /// How many activities run at once
    #[arg(long, global = true, value_name = "N", default_value_t = 1000)]
    max_concurrent_activities: usize,
    /// How many batches run at once [default: unlimited]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_concurrent_orchestrators: Option<u32>,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Compares one by one with all at once, and images in the history with references to blobs
    Measure {
        /// How many order lines
        #[arg(long, value_name = "N", default_value_t = 500)]
        lines: u32,
        /// How many pages
        #[arg(long, value_name = "N", default_value_t = 20)]
        pages: u32,
    },
    /// Serves `POST /api/batches` and Durable Functions' HTTP API until Ctrl-C
    Serve(serve::Listen),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct OrderItem {
    sku: String,
    quantity: i32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct OrderResult {
    sku: String,
    reserved: bool,
    line_total: Cents,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
struct BatchSummary {
    processed: usize,
    reserved: usize,
    total: Cents,
}

pascal::records!(OrderItem, OrderResult, BatchSummary);

/// What one piece costs.
const PRICE: Cents = Cents(999);

/// How the work of a line is simulated.
#[derive(Clone)]
struct Work {
    each: Duration,
    fail: Vec<String>,
}

#[activity(name = "ProcessItemActivity")]
async fn process_item(item: OrderItem) -> dacapo::Result<OrderResult> {
    let work = dacapo::state::<Work>();
    tokio::time::sleep(work.each).await;
    if work.fail.contains(&item.sku) {
        return Err(Error::msg("out of stock"));
    }
    let line_total = Cents(i64::from(item.quantity) * PRICE.0);
    Ok(OrderResult { sku: item.sku, reserved: item.quantity > 0, line_total })
}

#[activity(name = "SummarizeBatchActivity")]
fn summarize_batch(results: Vec<OrderResult>) -> BatchSummary {
    BatchSummary {
        processed: results.len(),
        reserved: results.iter().filter(|result| result.reserved).count(),
        total: Cents(results.iter().map(|result| result.line_total.0).sum()),
    }
}

/// All lines at once. If any fail, the error names every one of them.
#[orchestrator(name = "ProcessBatchOrchestrator")]
async fn process_batch(items: Vec<OrderItem>) -> dacapo::Result<BatchSummary> {
    let results = join_all(items.iter().cloned().map(process_item)).await;
    let names = items.iter().enumerate().map(|(index, item)| format!("line {} ({})", index + 1, item.sku));
    Ok(summarize_batch(failures::all_or_named(names, results)?).await)
}

/// Line after line, for comparison. Without the mark it does not compile.
#[orchestrator(name = "OneByOneOrchestrator")]
async fn one_by_one(items: Vec<OrderItem>) -> dacapo::Result<BatchSummary> {
    let mut results = Vec::new();
    #[sequential]
    for item in items {
        results.push(process_item(item).await?);
    }
    Ok(summarize_batch(results).await)
}

/// The time that `?wait=SECONDS` asks to wait for the summary. As in the API, the name of the parameter has any letter case.
fn wait_of(uri: &Uri) -> Result<Option<Duration>, String> {
    let invalid = |why: &dyn Display| format!("`wait` must be a number of seconds: {why}");
    let parameters = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let seconds = parameters.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("wait"));
    let seconds = seconds.map(|(_, text)| text.parse().map_err(|error: ParseFloatError| invalid(&error))).transpose()?;
    seconds.map(Duration::try_from_secs_f64).transpose().map_err(|error| invalid(&error))
}

/// The body is a JSON array of order lines.
async fn post_batch(State(client): State<Client>, request: Parts, body: Bytes) -> Response {
    let items: Vec<OrderItem> = match serde_json::from_slice(&body) {
        Ok(items) => items,
        Err(error) => {
            let expected = r#"the body must be a JSON array such as [{"Sku": "A-1", "Quantity": 2}]"#;
            return start::refusal(StatusCode::BAD_REQUEST, &format!("{expected}: {error}"));
        }
    };
    let wait = match wait_of(&request.uri) {
        Ok(wait) => wait,
        Err(why) => return start::refusal(StatusCode::BAD_REQUEST, &why),
    };
    match (client.start(process_batch(items)).await, wait) {
        (Ok(run), Some(wait)) => http::wait_or_check_status(&run, &request, wait).await,
        (started, _) => start::accepted(started, &request),
    }
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let Args { command, file, work_ms, fail, blobs, max_concurrent_activities, max_concurrent_orchestrators, store } =
        begin::arguments();
    let work = Work { each: Duration::from_millis(work_ms), fail };
    let runtime = Runtime::builder(store.url)
        .state(work.clone())
        .state(pages::Blobs::open(&blobs)?)
        .max_concurrent_activities(max_concurrent_activities);
    let runtime = max_concurrent_orchestrators
        .into_iter()
        .fold(runtime, |runtime, limit| runtime.max_concurrent_orchestrators(limit as usize));
    match command {
        Some(Command::Measure { lines, pages }) => {
            measure::batches(&made_up(lines), &work).await?;
            measure::pages(pages, &work).await
        }
        Some(Command::Serve(listen)) => {
            serve::serve(listen, runtime, Router::new().route("/api/batches", post(post_batch))).await
        }
        None => {
            let items = file.map_or_else(|| Ok(made_up(500)), |file| read(&file))?;
            let runtime = runtime.open().await?;
            let summary = runtime.start(process_batch(items)).await?.result().await;
            runtime.shutdown().await?;
            println!("{}", serde_json::to_string(&summary?)?);
            Ok(())
        }
    }
}

/// Every tenth line orders nothing.
fn made_up(lines: u32) -> Vec<OrderItem> {
    (1..=lines).map(|line| OrderItem { sku: format!("SKU-{line:03}"), quantity: (line % 10) as i32 }).collect()
}

fn read(file: &Path) -> dacapo::Result<Vec<OrderItem>> {
    let items = std::fs::read(file).map_err(Error::from).and_then(|text| Ok(serde_json::from_slice(&text)?));
    items.map_err(|error| Error::msg(format!("could not read order lines from `{}`: {error}", file.display())))
}
