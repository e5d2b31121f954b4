//! Fan-out / fan-in: all items at once, the results in input order.
//!
//! ```sh
//! cargo run --example fan_out_fan_in                   # five items
//! cargo run --example fan_out_fan_in -- serve          # over HTTP, as with Durable Functions
//! curl -i -X POST localhost:7071/api/start-fanout      # 202 at once, with the URL to ask on
//! ```

mod begin;
mod serve;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use clap::{Parser, Subcommand};
use dacapo::{Client, Runtime, activity, http, orchestrator};
use futures::future::join_all;

/// Processes five items at once and prints the results in their order, or does it for whoever asks.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Serves `POST /api/start-fanout`, and Durable Functions' HTTP API, until Ctrl-C
    Serve(serve::Listen),
}

/// Does one piece of work.
#[activity]
async fn process_item(item: String) -> String {
    format!("{item} processed")
}

/// Starts all items at once; the results are in the order of the items.
#[orchestrator]
async fn fan_out_fan_in_orchestrator(items: Vec<String>) -> Vec<String> {
    join_all(items.into_iter().map(process_item)).await
}

fn five() -> Vec<String> {
    (1..=5).map(|number| format!("item {number}")).collect()
}

/// The items are a JSON list in the body; without a body there are five.
async fn start_fanout(State(client): State<Client>, request: Parts, body: Bytes) -> Response {
    let items = if body.is_empty() { Ok(five()) } else { serde_json::from_slice(&body) };
    let items = match items {
        Ok(items) => items,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("the body is a JSON list of strings: {error}\n")).into_response(),
    };
    match client.start(fan_out_fan_in_orchestrator(items)).await {
        Ok(run) => http::check_status(&run, &request),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
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
    for line in runtime.start(fan_out_fan_in_orchestrator(five())).await?.result().await? {
        println!("{line}");
    }
    runtime.shutdown().await?;
    Ok(())
}
