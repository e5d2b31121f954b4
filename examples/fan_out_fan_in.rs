//! Fan-out / fan-in: all items at once, the results in input order.
//!
//! ```sh
//! cargo run --example fan_out_fan_in                   # prints `Processed item-1` to `Processed item-5`
//! cargo run --example fan_out_fan_in -- serve          # serves it over HTTP
//! curl -i -X POST localhost:7071/api/start-fanout      # 202 at once, with the URL to poll
//! ```

mod begin;
mod serve;
mod start;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use clap::{Parser, Subcommand};
use dacapo::{Client, Runtime, activity, orchestrator};
use futures::future::join_all;

/// Processes five items at once and prints the results in order, or serves the HTTP API.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Serves `POST /api/start-fanout` and Durable Functions' HTTP API until Ctrl-C
    Serve(serve::Listen),
}

#[activity]
async fn process_item(item: String) -> String {
    format!("Processed {item}")
}

/// Starts all items at once and returns their results in input order. Without an input there are five items.
#[orchestrator]
async fn fan_out_fan_in_orchestrator(items: Option<Vec<String>>) -> Vec<String> {
    let items = items.unwrap_or_else(|| (1..=5).map(|number| format!("item-{number}")).collect());
    join_all(items.into_iter().map(process_item)).await
}

/// The body is empty, or a JSON list of items.
async fn start_fanout(State(client): State<Client>, request: Parts, body: Bytes) -> Response {
    let items = if body.is_empty() { Ok(None) } else { serde_json::from_slice(&body) };
    match items {
        Ok(items) => start::accepted(client.start(fan_out_fan_in_orchestrator(items)).await, &request),
        Err(error) => start::refusal(StatusCode::BAD_REQUEST, &format!("the body must be a JSON list of strings: {error}")),
    }
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args: Args = begin::arguments();
    let runtime = Runtime::builder(args.store.url);
    if let Some(Command::Serve(listen)) = args.command {
        return serve::serve(listen, runtime, Router::new().route("/api/start-fanout", post(start_fanout))).await;
    }
    let runtime = runtime.open().await?;
    for line in runtime.start(fan_out_fan_in_orchestrator(None)).await?.result().await? {
        println!("{line}");
    }
    runtime.shutdown().await?;
    Ok(())
}
