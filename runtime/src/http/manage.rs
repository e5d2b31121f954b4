//! What is done to an instance that exists: events, suspension, its end, its removal.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use crate::client::Client;
use crate::http::answer::{INVALID_JSON, Refusal, empty, error, json, message};
use crate::http::body;
use crate::http::parameters::Parameters;
use crate::http::status::nothing;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Purged {
    instances_deleted: u64,
}

/// 202 without a body, or what an error means.
fn done(result: Result<(), RuntimeError>) -> Response {
    result.map_or_else(|why| error(&why), |()| empty(StatusCode::ACCEPTED))
}

/// The same for what only orchestrations know: an entity that is not there is not found all the same.
async fn sent(client: &Client, id: &str, result: Result<(), RuntimeError>) -> Response {
    match result {
        Err(why) if instance_id::is_entity(id) => done(client.status(id).await.and(Err(why))),
        result => done(result),
    }
}

/// In the order of the original: whether there is somebody to hear it, how it is said, what is said.
pub(super) async fn raise(client: &Client, headers: &HeaderMap, id: &str, event: &str, body: &[u8]) -> Result<Response, Refusal> {
    let status = client.status(id).await.map_err(|why| Box::new(error(&why)))?;
    if status.runtime_status().is_terminal() {
        return Ok(empty(StatusCode::GONE));
    }
    if !body::is_json(headers) {
        return Ok(message(StatusCode::BAD_REQUEST, "Only application/json request content is supported"));
    }
    Ok(done(client.raise_named(id, event, body::json(body, INVALID_JSON)?).await))
}

pub(super) async fn terminate(client: &Client, id: &str, reason: &str) -> Response {
    sent(client, id, client.terminate(id, reason).await).await
}

/// One that is suspended already stays so.
pub(super) async fn suspend(client: &Client, id: &str, reason: &str) -> Response {
    match client.suspend(id, reason).await {
        Err(why) if why.kind() == ErrorKind::Invalid && !instance_id::is_entity(id) => done(Ok(())),
        result => sent(client, id, result).await,
    }
}

/// One that is not suspended goes on; one that is parked tells why it cannot.
pub(super) async fn resume(client: &Client, id: &str, reason: &str, without_events: &[u64]) -> Response {
    let request = without_events.iter().fold(client.resume(id, reason), |request, number| request.without_event(*number));
    match request.await {
        Err(why) if why.kind() == ErrorKind::Invalid && !without_events.is_empty() => error(&why),
        Err(why) if why.kind() == ErrorKind::Invalid && !instance_id::is_entity(id) => match client.status(id).await {
            Ok(status) if status.report().is_some() => error(&why),
            _ => done(Ok(())),
        },
        result => sent(client, id, result).await,
    }
}

pub(super) async fn rewind(client: &Client, id: &str, reason: &str) -> Response {
    match client.rewind(id, reason).await {
        Err(why) if why.is_not_found() => json(StatusCode::NOT_FOUND, &why.to_string()),
        Err(why) if why.kind() == ErrorKind::Invalid => json(StatusCode::PRECONDITION_FAILED, &why.to_string()),
        result => done(result),
    }
}

pub(super) async fn purge(client: &Client, id: &str) -> Response {
    client.purge(id).await.map_or_else(|why| error(&why), purged)
}

pub(super) async fn purge_many(client: &Client, parameters: &Parameters) -> Result<Response, Refusal> {
    let Some(from) = parameters.time("createdTimeFrom")? else {
        return Ok(json(StatusCode::BAD_REQUEST, "Please provide value for 'createdTimeFrom' parameter."));
    };
    let to = parameters.time("createdTimeTo")?.unwrap_or_else(|| client.now().into());
    let mut query = client.query().created_from(from).created_to(to);
    query = match parameters.statuses()? {
        None => query.finished(),
        // What has not ended is never deleted, and asking for it is no mistake.
        Some(asked) => query.statuses(asked.into_iter().flatten().filter(|status| status.is_terminal())),
    };
    let deleted = query.purge().await;
    Ok(match deleted.map_err(|why| Box::new(error(&why)))? {
        0 => nothing(),
        deleted => purged(deleted),
    })
}

fn purged(instances_deleted: u64) -> Response {
    json(StatusCode::OK, &Purged { instances_deleted })
}
