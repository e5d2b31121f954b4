//! Starting, and the 202 answer that says where to ask on.

use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use crate::client::remote::within;
use crate::client::{Client, Handle, ReuseId};
use crate::http::answer::{INVALID_JSON, Refusal, bad_argument, error, json, message, with};
use crate::http::body;
use crate::http::flight::{self, Flight, Room};
use crate::http::parameters::Parameters;
use crate::http::status;
use crate::http::urls::{Links, Urls, original};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::function::Recorded;
use crate::kernel::trace::TraceContext;
use crate::worker::run::Run;

/// Answers a request that has started an orchestration: 202, with the URL to ask for its status as the `Location`, `Retry-After: 10`,
/// and the management URLs as the body.
///
/// The URLs lead to the [`router`](crate::http::router) on the host that was asked. Where that is not true, give the application the
/// [`Links`] of its [`Api`](crate::http::Api) as an extension.
///
/// ```standalone_crate
/// # #[dacapo::orchestrator]
/// # async fn fan_out(items: Vec<String>) -> usize { items.len() }
/// use axum::http::request::Parts;
/// use axum::response::{IntoResponse, Response};
///
/// async fn start(client: dacapo::Client, request: Parts) -> Response {
///     match client.start(fan_out(vec!["a".into(), "b".into()])).await {
///         Ok(handle) => dacapo::http::check_status(&handle, &request),
///         Err(error) => (axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
///     }
/// }
/// ```
pub fn check_status<F>(handle: &Handle<F>, request: &Parts) -> Response {
    accepted(&links(request).urls(request), handle.id())
}

/// Waits for the end of an orchestration, at most for `timeout`: 200 with its output as the whole body when it has completed, its status
/// when it has ended in another way, and otherwise the answer of [`check_status`]: also when the runtime shuts down first, or when a
/// later start has taken the place of the run.
///
/// # Cancel safety
/// This function is cancel safe: it only reads.
pub async fn wait_or_check_status<F>(handle: &Handle<F>, request: &Parts, timeout: Duration) -> Response {
    let links = links(request);
    let flight = request.extensions.get::<Arc<Flight>>().map(|flight| &**flight);
    let urls = links.urls(request);
    Wait { client: handle.client(), links: &links, flight, urls, parts: request, timeout }.answer(handle.run()).await
}

fn links(request: &Parts) -> Links {
    request.extensions.get::<Links>().cloned().unwrap_or_default()
}

fn accepted(urls: &Urls, id: &str) -> Response {
    let body = urls.of(id);
    let answer = with(json(StatusCode::ACCEPTED, &body), header::LOCATION, &body.status_query_get_uri);
    with(answer, header::RETRY_AFTER, "10")
}

/// Start-and-wait.
struct Wait<'a> {
    client: &'a Client,
    links: &'a Links,
    flight: Option<&'a Flight>,
    urls: Urls,
    parts: &'a Parts,
    timeout: Duration,
}

impl Wait<'_> {
    async fn answer(self, run: &Run) -> Response {
        let ended = async {
            let outcome = self.client.outcome(run).await?;
            let is_small = outcome.as_ref().is_ok_and(|output| flight::is_small(output.as_str().len()));
            match self.flight.filter(|_| !is_small) {
                None => self.of(run, outcome).await,
                Some(flight) => {
                    // It is read again when it has its room.
                    drop(outcome);
                    flight.answer(async || self.of(run, self.client.outcome(run).await?).await).await
                }
            }
        };
        match within(&*self.client.time(), self.timeout, ended).await {
            Some(Ok(answer)) => answer,
            // It was started, and is to be asked for when the server is back, or was purged since.
            Some(Err(why)) if run.key.is_some() && [ErrorKind::ShuttingDown, ErrorKind::NotFound].contains(&why.kind()) => {
                accepted(&self.urls, &run.id)
            }
            Some(Err(why)) => error(&why),
            None => accepted(&self.urls, &run.id),
        }
    }
}

impl Wait<'_> {
    async fn of(&self, run: &Run, outcome: Recorded) -> Result<Response, RuntimeError> {
        let Err(_) = &outcome else { return Ok(json(StatusCode::OK, &outcome.ok())) };
        match status::Wanted::of(&Parameters::of(&original(self.parts))) {
            Ok(wanted) => status::of(self.client, run, self.links, self.parts, wanted, self.urls.shows_failure()).await,
            Err(refusal) => Ok(*refusal),
        }
    }
}

/// What a request wants to wait, by `timeout` and `pollingInterval`. Nothing is polled here, so the interval is only checked.
fn wanted_wait(parameters: &Parameters, longest: Duration) -> Result<Option<Duration>, Refusal> {
    // Refused before anything is started.
    status::Wanted::of(parameters)?;
    parameters.flag("returnInternalServerErrorOnFailure", false)?;
    match (parameters.seconds("timeout")?, parameters.seconds("pollingInterval")?) {
        (Some(timeout), Some(interval)) if interval > timeout => {
            Err(bad_argument("the polling interval is longer than the timeout"))
        }
        (Some(timeout), Some(_)) => Ok(Some(timeout.min(longest))),
        _ => Ok(None),
    }
}

/// How a request is answered whose orchestration is to be started.
pub(super) struct Starting<'a> {
    pub(super) client: &'a Client,
    pub(super) links: &'a Links,
    pub(super) flight: &'a Flight,
    pub(super) parts: &'a Parts,
    pub(super) parameters: &'a Parameters,
    /// The path of the routes.
    pub(super) path: &'a str,
    pub(super) longest_wait: Duration,
}

impl Starting<'_> {
    pub(super) async fn start(
        self,
        name: &str,
        id: Option<&str>,
        body: (Vec<u8>, Room),
        reuse: ReuseId,
    ) -> Result<Response, Refusal> {
        let (body, room) = body;
        let input = body::json(&body, INVALID_JSON)?;
        drop(body);
        let timeout = wanted_wait(self.parameters, self.longest_wait)?;
        let mut request = self.client.start_named(name, input).reuse_id(reuse);
        if let Some(id) = id {
            request = request.id(id);
        }
        if let Some(version) = self.parameters.number("version")? {
            request = request.version(version);
        }
        if let Some(trace) = trace_context(&self.parts.headers) {
            request = request.trace_context(trace);
        }
        let run = request.await.map_err(|why| match why.kind() {
            ErrorKind::Invalid => Box::new(message(StatusCode::BAD_REQUEST, &why.to_string())),
            _ => Box::new(error(&why)),
        })?;
        // The answer takes room of its own.
        drop(room);
        let invocation = invocation(&self.parts.headers).unwrap_or_default();
        tracing::debug!(instance = run.id(), orchestrator = name, invocation, "started over HTTP");
        Ok(self.answer(run.run(), timeout).await)
    }

    pub(super) async fn restart(self, id: &str) -> Result<Response, Refusal> {
        let timeout = wanted_wait(self.parameters, self.longest_wait)?;
        let request = self.client.restart(id);
        let request = if self.parameters.flag("restartWithNewInstanceId", true)? { request.new_id() } else { request };
        let run = request.make().await.map_err(|why| match why.kind() {
            ErrorKind::NotFound => bad_argument(&why.to_string()),
            _ => Box::new(error(&why)),
        })?;
        Ok(self.answer(&run, timeout).await)
    }

    async fn answer(self, run: &Run, timeout: Option<Duration>) -> Response {
        let urls = self.links.urls_at(self.parts, self.path);
        match timeout {
            None => accepted(&urls, &run.id),
            Some(timeout) => {
                let Self { client, links, flight, parts, .. } = self;
                Wait { client, links, flight: Some(flight), urls, parts, timeout }.answer(run).await
            }
        }
    }
}

/// What the headers say of the call that this request is part of. A `traceparent` that is said twice is none; the parts of a `tracestate`
/// are one.
fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent").iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Option<Vec<&str>> = headers.get_all("tracestate").iter().map(|state| state.to_str().ok()).collect();
    let state = states.map(|states| states.join(",")).filter(|state| !state.is_empty());
    TraceContext::parse(parent.to_str().ok()?, state.as_deref())
}

/// The id by which a Functions host knows a call, for the log.
fn invocation(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-azure-functions-invocationid")?.to_str().ok()?;
    Some(uuid::Uuid::parse_str(text).ok()?.to_string())
}
