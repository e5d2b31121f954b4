//! `GET /instances/{id}` and `GET /instances`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use serde::Serialize;

use crate::client::query::token_after;
use crate::client::{Client, InstanceStatus};
use crate::http::answer::{Refusal, empty, error, json, visible, with};
use crate::http::flight::{Flight, Room};
use crate::http::history::{Row, Shown, rows};
use crate::http::page;
use crate::http::parameters::{Parameters, to_seconds};
use crate::http::urls::{Links, original};
use crate::kernel::error::RuntimeError;
use crate::kernel::failure::FailureKind;
use crate::kernel::payload::Payload;
use crate::store::{NotTaken, Status, Turn};
use crate::worker::run::Run;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    name: &'a str,
    instance_id: &'a str,
    runtime_status: Status,
    input: Option<&'a Payload>,
    custom_status: Option<&'a Payload>,
    output: Option<Output<'a>>,
    created_time: String,
    last_updated_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_events: Option<Vec<Row>>,
    /// Beside the contract: what was raised and never taken.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    events_not_taken: &'a [NotTaken],
    /// Beside the contract: why it is parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output<'a> {
    Returned(&'a Payload),
    Said(String),
}

impl<'a> Body<'a> {
    fn of(status: &'a InstanceStatus, show_input: bool) -> Self {
        let said = status.failure().map(|failure| match failure.kind() {
            // As it was given.
            FailureKind::Terminated => reason(failure.message()).to_owned(),
            // All else quotes inputs: of the call that failed, or of what cannot be read.
            _ if !show_input => failure.message().to_owned(),
            // Whoever has sent what cannot be read is told what is wrong with it.
            FailureKind::Codec => failure.causes().iter().fold(failure.to_string(), |said, cause| format!("{said}: {cause}")),
            _ => failure.to_string(),
        });
        Self {
            name: status.name(),
            instance_id: status.instance_id(),
            runtime_status: status.runtime_status(),
            input: status.input().filter(|_| show_input),
            custom_status: status.custom_status(),
            output: status.output().map(Output::Returned).or_else(|| said.map(Output::Said)),
            created_time: to_seconds(status.created_at()),
            last_updated_time: to_seconds(status.last_updated_at()),
            history_events: None,
            events_not_taken: status.events_not_taken(),
            // It may quote inputs.
            report: status.report().filter(|_| show_input),
        }
    }
}

/// What a status is asked to show.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    inputs: bool,
    history: bool,
    outputs: bool,
}

impl Wanted {
    pub(super) fn of(parameters: &Parameters) -> Result<Self, Refusal> {
        Ok(Self {
            inputs: parameters.flag("showInput", true)?,
            history: parameters.flag("showHistory", false)?,
            outputs: parameters.flag("showHistoryOutput", false)?,
        })
    }
}

pub(super) async fn one(
    client: &Client,
    links: &Links,
    flight: &Arc<Flight>,
    parts: &Parts,
    parameters: &Parameters,
    id: &str,
) -> Result<Response, Refusal> {
    let wanted = Wanted::of(parameters)?;
    let shows_failure = parameters.flag("returnInternalServerErrorOnFailure", false)?;
    if wants_stream(&parts.headers) {
        return Ok(stream_of(client, flight, id, wanted.inputs).await);
    }
    let run = Run::any(id);
    let answer = flight.answer(|| of(client, &run, links, parts, wanted, shows_failure));
    Ok(answer.await.unwrap_or_else(|why| error(&why)))
}

/// Whether a stream is accepted, and JSON is not asked for.
fn wants_stream(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let accepted = lines.flat_map(|line| line.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = parts.next()?;
        let is_refused = parts.filter_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).any(|quality| quality <= 0.0);
        Some(media).filter(|_| !is_refused)
    });
    let accepted: Vec<_> = accepted.collect();
    let has = |media: &str| accepted.iter().any(|accepted| accepted == media);
    has("text/event-stream") && !has("application/json")
}

/// The answer to the question for a status.
pub(super) async fn of(
    client: &Client,
    run: &Run,
    links: &Links,
    parts: &Parts,
    wanted: Wanted,
    shows_failure: bool,
) -> Result<Response, RuntimeError> {
    let shown = Shown { inputs: wanted.inputs, outputs: wanted.outputs };
    let (status, history) = match wanted.history {
        true => client.status_with_history(run).await.map(|(status, history)| (status, Some(history)))?,
        false => (client.status_of(run.clone(), shown.inputs).await?, None),
    };
    let mut body = Body::of(&status, shown.inputs);
    // The first turn of a start that is put off is written already, at the time it is due.
    let has_begun = |turns: &Vec<Turn>| {
        status.runtime_status() != Status::Pending && (turns.len() > 1 || turns.iter().all(|turn| turn.at <= client.now()))
    };
    body.history_events = history.filter(has_begun).map(|history| rows(&history, shown));
    Ok(match status.runtime_status() {
        Status::Pending | Status::Running | Status::Suspended => {
            let uri = original(parts);
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let answer = with(json(StatusCode::ACCEPTED, &body), header::LOCATION, &format!("{}{path}", links.origin(parts)));
            with(answer, header::RETRY_AFTER, "5")
        }
        Status::Failed if shows_failure => json(StatusCode::INTERNAL_SERVER_ERROR, &body),
        Status::Completed | Status::Failed | Status::Terminated => json(StatusCode::OK, &body),
    })
}

/// The status as it is, then each time it is another one, until the end.
async fn stream_of(client: &Client, flight: &Arc<Flight>, id: &str, show_input: bool) -> Response {
    let text = move |status: InstanceStatus| visible(serde_json::to_string(&Body::of(&status, show_input)).unwrap_or_default());
    let (client, flight, id) = (client.clone(), flight.clone(), id.to_owned());
    let mut watch = client.watch(&id).show_input(show_input);
    let first = match watch.next().await {
        Ok(first) => first.map(text),
        Err(why) => return error(&why),
    };
    let all = stream::unfold((watch, first, None), move |(mut watch, first, room)| {
        let (client, flight, id) = (client.clone(), flight.clone(), id.clone());
        async move {
            // The event before is sent.
            drop::<Room>(room);
            let next = match first {
                Some(first) => first,
                None => text(watch.next().await.ok()??),
            };
            let again = async || client.status(&id).show_input(show_input).await.map(text);
            let (next, room) = flight.fit(next, again, String::len).await.ok()?;
            Some((Sent::default().event("status").data(next), (watch, None, room)))
        }
    });
    Sse::new(all.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default()).into_response()
}

/// A page with more than `longest_page` bytes of values ends early, and the next goes on after it.
pub(super) async fn list(
    client: &Client,
    parts: &Parts,
    parameters: &Parameters,
    longest_page: usize,
) -> Result<Response, Refusal> {
    let refused = |why: RuntimeError| Box::new(error(&why));
    let mut query = client.query();
    let prefix = parameters.one("instanceIdPrefix")?;
    if let Some(prefix) = prefix {
        query = query.id_prefix(prefix);
    }
    if let Some(from) = parameters.time("createdTimeFrom")? {
        query = query.created_from(from);
    }
    if let Some(to) = parameters.time("createdTimeTo")? {
        query = query.created_to(to);
    }
    if let Some(top) = parameters.number("top")? {
        query = query.page_size(top);
    }
    let statuses: Option<Vec<_>> = parameters.statuses()?.map(|asked| asked.into_iter().flatten().collect());
    let show_input = parameters.flag("showInput", true)?;
    // Entities are listed by a route of their own.
    if prefix.is_some_and(|prefix| prefix.starts_with('@')) {
        return Ok(page::answer(&[(); 0], None));
    }
    if let Some(statuses) = &statuses {
        query = query.statuses(statuses.iter().copied());
    }
    if let Some(token) = page::token(&parts.headers)? {
        query = query.after(token);
    }
    let found = query.await.map_err(refused)?;
    let (mut listed, mut bytes) = (Vec::new(), 0);
    let mut next = found.next().map(str::to_owned);
    let mut instances = found.into_instances().peekable();
    while let Some(instance) = instances.next() {
        let place = token_after(&instance);
        match client.completed(&Run::of(&instance), instance, show_input).await {
            Ok(status) if statuses.as_ref().is_none_or(|asked| asked.contains(&status.runtime_status())) => {
                bytes += length(&status);
                listed.push(status);
            }
            // It has changed, or was purged, a moment ago.
            Ok(_) => {}
            Err(why) if why.is_not_found() => {}
            Err(why) => return Err(refused(why)),
        }
        if bytes > longest_page && instances.peek().is_some() {
            next = Some(place);
            break;
        }
    }
    let bodies: Vec<_> = listed.iter().map(|status| Body::of(status, show_input)).collect();
    Ok(page::answer(&bodies, next.as_deref()))
}

/// How many bytes of values a status has.
fn length(status: &InstanceStatus) -> usize {
    let values = [status.input(), status.output(), status.custom_status()];
    values.into_iter().flatten().map(|value| value.as_str().len()).sum()
}

/// The reason of a termination alone.
fn reason(message: &str) -> &str {
    let said = message.strip_prefix("terminated").unwrap_or(message);
    said.strip_prefix(": ").unwrap_or(said)
}

/// What there is where nothing is.
pub(super) fn nothing() -> Response {
    empty(StatusCode::NOT_FOUND)
}
