//! The forms an answer has.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id;

/// The protocol's texts for what no route has an answer of its own for.
const ARGUMENT: &str = "One or more of the arguments submitted is incorrect";
const INTERNAL: &str = "Something went wrong while processing your request";
pub(super) const INVALID_JSON: &str = "Invalid JSON content";

/// Why a request was not done, as an answer.
pub(super) type Refusal = Box<Response>;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody<'a> {
    message: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    exception: Option<Exception<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Exception<'a> {
    exception_message: &'a str,
    exception_type: &'a str,
    /// Part of the shape; what it would show is nobody's business.
    stack_trace: &'a str,
}

/// No body, no content type.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn json(status: StatusCode, body: &(impl Serialize + ?Sized)) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    match serde_json::to_string(body) {
        Ok(text) => (status, [content_type], visible(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON form");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// JSON in which characters that nobody sees are escapes, such as those that change the direction of text: on a screen it shows what it
/// says. They can only be part of its strings.
pub(super) fn visible(json: String) -> String {
    // Ends of lines may stand between values.
    let is_hidden = |c: char| !c.is_ascii() && instance_id::is_invisible_control(c);
    if json.is_ascii() || !json.chars().any(is_hidden) {
        return json;
    }
    let mut visible = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_hidden(c) { visible.push_str(&format!("\\u{:04x}", u32::from(c))) } else { visible.push(c) }
    }
    visible
}

/// The error object with a text alone.
pub(super) fn message(status: StatusCode, message: &str) -> Response {
    json(status, &ErrorBody { message, exception: None })
}

/// The error object with what lies behind it.
pub(super) fn exception(status: StatusCode, message: &str, why: &str, kind: &str) -> Response {
    let exception = Some(Exception { exception_message: why, exception_type: kind, stack_trace: "" });
    json(status, &ErrorBody { message, exception })
}

/// A request whose arguments are wrong.
pub(super) fn bad_argument(why: &str) -> Refusal {
    Box::new(exception(StatusCode::BAD_REQUEST, ARGUMENT, why, "ArgumentException"))
}

/// What an error means where a route says nothing else. What went wrong inside is for the log, not for the caller.
pub(super) fn error(error: &RuntimeError) -> Response {
    match error.kind() {
        ErrorKind::NotFound => empty(StatusCode::NOT_FOUND),
        ErrorKind::Finished => empty(StatusCode::GONE),
        ErrorKind::AlreadyExists => message(StatusCode::CONFLICT, &error.to_string()),
        ErrorKind::Unfinished => json(StatusCode::PRECONDITION_FAILED, &error.to_string()),
        ErrorKind::Unsupported => json(StatusCode::NOT_IMPLEMENTED, &error.to_string()),
        ErrorKind::Invalid => *bad_argument(&error.to_string()),
        _ => {
            tracing::error!(%error, "a request over HTTP failed");
            message(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL)
        }
    }
}

/// Adds a header whose value is made of what URLs are made of.
pub(super) fn with(mut response: Response, name: header::HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
