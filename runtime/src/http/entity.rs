//! `/entities`: states are read, operations signalled.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use crate::client::Client;
use crate::entity::EntityId;
use crate::http::answer::{Refusal, empty, error, json, message};
use crate::http::body;
use crate::http::page;
use crate::http::parameters::{Parameters, to_ticks};
use crate::http::status::nothing;
use crate::kernel::error::ErrorKind;
use crate::kernel::payload::Payload;

/// How a path spells the empty key.
const EMPTY_KEY: &str = "$";

/// What is not JSON, as these routes say it.
const NOT_JSON: &str = "Could not parse JSON content: ";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    entity_id: Id<'a>,
    last_operation_time: String,
    state: Option<&'a Payload>,
}

#[derive(Serialize)]
struct Id<'a> {
    name: &'a str,
    key: &'a str,
}

/// `GET /entities/{name}/{key}`. No entity has the empty key here.
pub(super) async fn state(client: &Client, name: &str, key: &str) -> Response {
    if key == EMPTY_KEY {
        return nothing();
    }
    match client.state_named(&EntityId::named(name, key)).await {
        Ok(state) => state.map_or_else(nothing, |state| json(StatusCode::OK, &state)),
        // What can be no entity is none.
        Err(why) if why.kind() == ErrorKind::Invalid => nothing(),
        Err(why) => error(&why),
    }
}

/// `GET /entities` and `GET /entities/{name}`. A page with more than `longest_page` bytes of states ends early.
pub(super) async fn list(
    client: &Client,
    headers: &HeaderMap,
    parameters: &Parameters,
    name: Option<&str>,
    longest_page: usize,
) -> Result<Response, Refusal> {
    let fetch_state = parameters.flag("fetchState", false)?;
    let mut query = client.entities().show_state(fetch_state).longest_page(longest_page);
    if let Some(name) = name {
        query = query.name(name);
    }
    if let Some(from) = parameters.time("lastOperationTimeFrom")? {
        query = query.last_operation_from(from);
    }
    if let Some(to) = parameters.time("lastOperationTimeTo")? {
        query = query.last_operation_to(to);
    }
    if let Some(top) = parameters.number("top")? {
        query = query.page_size(top);
    }
    if let Some(token) = page::token(headers)? {
        query = query.after(token);
    }
    let found = query.await.map_err(|why| Box::new(error(&why)))?;
    let bodies = found.entities().iter().map(|entity| Listed {
        entity_id: Id { name: entity.id().name(), key: entity.id().key() },
        last_operation_time: to_ticks(entity.last_operation_at().into()),
        state: entity.state(),
    });
    Ok(page::answer(&bodies.collect::<Vec<_>>(), found.next()))
}

/// `POST /entities/{name}/{key}`: the input is JSON where the content type says so, and text otherwise.
pub(super) async fn signal(
    client: &Client,
    headers: &HeaderMap,
    (name, key): (&str, &str),
    operation: Option<&str>,
    body: &[u8],
) -> Result<Response, Refusal> {
    let Some(operation) = operation else {
        return Ok(message(StatusCode::BAD_REQUEST, "the operation is missing: write its name as `?op=`"));
    };
    signalled(client, (name, key), operation, input(headers, body)?).await
}

/// `DELETE /entities/{name}/{key}`, and the signal `delete`, the input of which says nothing.
pub(super) async fn delete(client: &Client, headers: &HeaderMap, place: (&str, &str), body: &[u8]) -> Result<Response, Refusal> {
    input(headers, body)?;
    signalled(client, place, "delete", Payload::null()).await
}

fn input(headers: &HeaderMap, body: &[u8]) -> Result<Payload, Refusal> {
    Ok(if body.is_empty() {
        Payload::null()
    } else if body::is_json(headers) {
        body::json(body, NOT_JSON)?
    } else {
        let refused =
            |why: &dyn std::fmt::Display| Box::new(message(StatusCode::BAD_REQUEST, &format!("the body is no text: {why}")));
        let text = std::str::from_utf8(body).map_err(|why| refused(&why))?;
        Payload::encode(text).map_err(|why| refused(&why))?
    })
}

async fn signalled(client: &Client, (name, key): (&str, &str), operation: &str, input: Payload) -> Result<Response, Refusal> {
    if key == EMPTY_KEY {
        let why = "`$` is how a path spells the empty key, which no entity has here; give the entity another key";
        return Err(Box::new(message(StatusCode::BAD_REQUEST, why)));
    }
    match client.signal_named(&EntityId::named(name, key), operation, input).await {
        Err(why) if why.kind() == ErrorKind::Invalid => Err(Box::new(message(StatusCode::BAD_REQUEST, &why.to_string()))),
        Err(why) => Err(Box::new(error(&why))),
        Ok(()) => Ok(empty(StatusCode::ACCEPTED)),
    }
}
