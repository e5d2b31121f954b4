//! Fan-out / fan-in over HTTP: started by a request, answered at once with the URL to ask on, as with Durable Functions.
//!
//! `cargo run --example fan_out_http -- serve`, and then
//! `curl -i -X POST localhost:7071/api/start-fanout`.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use clap::Parser;
use dacapo::{Client, Runtime, activity, http, orchestrator};
use futures::future::join_all;

#[derive(Parser)]
enum Args {
    /// Serves until it is killed; what is unfinished then goes on at the next start
    Serve {
        /// Where to listen
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7071")]
        listen: SocketAddr,
        /// The database
        #[arg(long, value_name = "URL", default_value = "sqlite:fan_out_http.db")]
        store: String,
    },
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

/// `POST /api/start-fanout`: the items are a JSON list in the body; without a body there are five.
async fn start_fanout(State(client): State<Client>, request: Parts, body: Bytes) -> Response {
    let items = match &body[..] {
        [] => Ok((1..=5).map(|number| format!("item {number}")).collect()),
        body => serde_json::from_slice(body),
    };
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
    let Args::Serve { listen, store } = Args::parse();
    let runtime = Runtime::open(&store).await?;
    let app = Router::new().route("/api/start-fanout", post(start_fanout)).with_state(runtime.client());
    let app = app.merge(http::router(runtime.client()));

    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
