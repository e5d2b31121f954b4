//! What the programs share that serve: their arguments, their routes, and how they end.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, OriginalUri, Request};
use axum::http::uri::PathAndQuery;
use axum::http::{StatusCode, Uri};
use axum::middleware::map_request;
use axum_server::{Handle, Server};
use dacapo::{Client, Error, http};
use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tokio::time::{sleep, timeout};

/// Which database.
#[derive(clap::Args)]
pub(crate) struct Store {
    /// The database that remembers what has been done
    #[arg(long = "store", global = true, value_name = "URL", default_value = concat!("sqlite:", env!("CARGO_CRATE_NAME"), ".db"))]
    pub(crate) url: String,
}

/// Which address.
#[derive(clap::Args)]
pub(crate) struct Listen {
    /// Where to listen
    #[arg(long = "listen", value_name = "ADDR", default_value = "127.0.0.1:7071")]
    address: SocketAddr,
    /// Require this key, as `?code=KEY` or as the header `x-functions-key`; without one, only direct requests from programs on this
    /// machine are served
    #[arg(long, value_name = "KEY", env = "DACAPO_KEY", hide_env_values = true)]
    key: Option<String>,
    /// How long the headers of a request may take to arrive, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    header_timeout: u64,
}

/// How long requests that wait may hold up the end.
const GRACE: Duration = Duration::from_secs(5);

/// The longest body of a request, as that of the API.
const MAX_BODY: usize = 16 << 20;

/// Serves `routes` and Durable Functions' HTTP API until Ctrl-C. Unfinished orchestrations continue at the next start.
///
/// `POST /orchestrators/{name}[/{id}]` and `POST /api/orchestrators/{name}[/{id}]`, the routes of Microsoft's samples, are served as well
/// as those below `/runtime/webhooks/durabletask`. The access check of the API guards `routes` too. Paths match in any letter case, as in
/// Azure Functions, so those of `routes` must be lower-case.
#[allow(dead_code, reason = "some programs have something to prepare")]
pub(crate) async fn serve(listen: Listen, runtime: dacapo::Builder, routes: Router<Client>) -> dacapo::Result<()> {
    serve_prepared(listen, runtime, routes, async |_| Ok(())).await
}

/// As [`serve`], after `prepare` has done with the open runtime what has to be done before the first request.
pub(crate) async fn serve_prepared(
    listen: Listen,
    runtime: dacapo::Builder,
    routes: Router<Client>,
    prepare: impl AsyncFnOnce(Client) -> dacapo::Result<()>,
) -> dacapo::Result<()> {
    let Listen { address, key, header_timeout } = listen;
    let refused = |error| Error::msg(format!("cannot listen on {address}: {error}; give another --listen"));
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let runtime = runtime.open().await?;
    prepare(runtime.client()).await?;
    let api = http::Api::new(runtime.client());
    let api = key.into_iter().fold(api, |api, key| api.key(http::Role::Manage, key));
    // A wrong method is answered as the API answers it. `layer`, not `route_layer`, which panics without routes. The fallback of the API
    // replaces that of `routes`.
    let routes = routes.method_not_allowed_fallback(async || StatusCode::NOT_FOUND).with_state(runtime.client());
    let routes = routes.layer(DefaultBodyLimit::max(MAX_BODY)).layer(api.guard(http::Role::Start));
    // An outer router, because a layer runs after the routing of its own.
    let app = Router::new().fallback_service(routes.merge(api.router())).layer(map_request(canonical));
    println!("listening on http://{}", listener.local_addr()?);

    let handle = Handle::new();
    let server = on(listener, Duration::from_secs(header_timeout)).handle(handle.clone());
    let mut server = pin!(server.serve(app.into_make_service_with_connect_info::<SocketAddr>()).fuse());
    let interrupted = async {
        drop(ctrl_c().await);
        handle.graceful_shutdown(None);
        sleep(GRACE).await;
    };
    tokio::select! {
        ended = &mut server => ended?,
        () = interrupted => {}
    }
    runtime.shutdown().await?;
    // Who still waits for a run has been told meanwhile where to ask for it.
    if !server.is_terminated() {
        timeout(GRACE, server).await.unwrap_or(Ok(()))?;
    }
    println!("stopped");
    Ok(())
}

/// A server that closes connections on which no whole header comes in time.
pub(crate) fn on(listener: TcpListener, header_timeout: Duration) -> Server<SocketAddr> {
    let mut server = Server::from_listener(listener).http1_only().first_request_timeout(header_timeout);
    server.http_builder().http1().header_read_timeout(header_timeout);
    server
}

/// Rewrites the path as the routers know it: generic routes below the base of the API, others below `/api` in lower case.
async fn canonical(mut request: Request) -> Request {
    let asked = request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
    let below = |prefix: &str| {
        asked.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix)).map(|_| &asked[prefix.len()..])
    };
    let known = if let Some(rest) = below("/api/orchestrators/").or_else(|| below("/orchestrators/")) {
        format!("/runtime/webhooks/durabletask/orchestrators/{rest}")
    } else if below("/api/").is_some() {
        let (path, query) = asked.split_at(request.uri().path().len());
        format!("{}{query}", path.to_ascii_lowercase())
    } else {
        return request;
    };
    if let Ok(known) = known.parse::<Uri>() {
        *request.uri_mut() = known.clone();
        request.extensions_mut().insert(OriginalUri(known));
    }
    request
}
