//! Lists in pages: where the next one begins stands in a header, both ways.

use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;

use crate::http::answer::{json, with};

const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation-token");

/// What the page before gave, if this request goes on after one.
pub(super) fn token(headers: &HeaderMap) -> Option<String> {
    let token = headers.get(&CONTINUATION)?.to_str().ok().filter(|token| !token.is_empty())?;
    Some(percent_decode_str(token).decode_utf8_lossy().into_owned())
}

/// A page. The header is there on the last one, too, and empty.
pub(super) fn answer(entries: &[impl Serialize], next: Option<&str>) -> Response {
    let next = utf8_percent_encode(next.unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    with(json(StatusCode::OK, entries), CONTINUATION, &next)
}
