//! The HTTP API of Azure Durable Functions, served by [axum]. Feature `http`.
//!
//! A client written for Durable Functions does not notice the difference: paths, status codes, headers and bodies are those of its
//! extension, under `/runtime/webhooks/durabletask`. `GET {base}/openapi.json` describes them.
//!
//! ```standalone_crate
//! use std::net::SocketAddr;
//!
//! #[dacapo::orchestrator]
//! async fn double(n: u64) -> u64 { 2 * n }
//!
//! # #[tokio::main]
//! # async fn main() -> dacapo::Result<()> {
//! let runtime = dacapo::Runtime::open("memory:").await?;
//! let app = axum::Router::new()
//!     .route("/health", axum::routing::get(|| async { "ok" }))
//!     .merge(dacapo::http::router(runtime.client()));
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! let server = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
//! // curl -d 21 'localhost:7071/runtime/webhooks/durabletask/orchestrators/double?timeout=10&pollingInterval=1'
//! # let server = tokio::spawn(async move { server.await });
//! # let mut socket = std::net::TcpStream::connect(address)?;
//! # use std::io::{Read as _, Write as _};
//! # let path = "/runtime/webhooks/durabletask/orchestrators/double?timeout=10&pollingInterval=1";
//! # write!(socket, "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n21")?;
//! # let mut answer = String::new();
//! # socket.read_to_string(&mut answer)?;
//! # assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("42"), "{answer}");
//! # server.abort();
//! # Ok(())
//! # }
//! ```
//!
//! An entity's state is at `{base}/entities/{name}/{key}`, where a `POST` with `?op=` signals it. No entity has the empty key, which such a
//! path spells `$`.
//!
//! An orchestrator of one argument takes the body as that, one of several a JSON object with their names, one of none no body.
//!
//! # Access
//!
//! Without a [key](Api::key) only programs on the same machine are served, and only when they ask directly: requests through a proxy are
//! refused. A key has a [`Role`]. [`Api::guard`] applies the same check to routes of the application.
//!
//! Without a key, a request that a browser sends for a page of another site (`Origin`, `Sec-Fetch-Site`) is refused, so that no web page
//! can use the API of a server on the reader's machine or network. With a key it is served whatever its site. Keys are read from the
//! query (`?code=`) and the header `x-functions-key`, never from a cookie, which a browser would send for every page. The API sends no CORS
//! headers; an application that wants browsers to let other origins read its answers adds a layer of its own.
//!
//! The URLs in an answer contain the key of the request, as in Durable Functions: anyone holding such a URL can perform its action. Keys and
//! URLs are not logged. Internal errors are logged, not returned.
//!
//! # Memory
//!
//! Request bodies and responses above 64 KiB share [a bound](Api::max_bytes_in_flight) on the bytes that are in memory at once. Requests
//! that do not fit wait for others to finish.
//!
//! # Ending
//!
//! [`Runtime::shutdown`](crate::Runtime::shutdown) ends the streams and answers those who wait for an end with 202. So a server that is to
//! finish what is under way stops taking requests, shuts the runtime down, and then waits for its connections.
//!
//! # Beyond the original
//!
//! `GET {base}/instances/{id}` with `Accept: text/event-stream` is a stream of events named `status`: the status as it is, and each
//! time it or the custom status has changed, at most fifty times a second.

mod access;
mod answer;
mod api;
mod body;
mod entity;
mod flight;
mod guard;
mod history;
mod manage;
mod page;
mod parameters;
mod router;
mod start;
mod status;
mod urls;

pub use access::Role;
pub use api::Api;
pub use guard::{Guard, Guarded};
pub use router::router;
pub use start::{check_status, wait_or_check_status};
pub use urls::Links;
