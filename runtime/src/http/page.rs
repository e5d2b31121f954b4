//! Lists in pages: where the next one begins stands in a header, both ways.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde::Serialize;

use crate::http::answer::{Refusal, bad_argument, json, with};

const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation-token");

/// The token of the previous page, if this request asks for the page after one.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(token) = headers.get(&CONTINUATION).filter(|token| !token.is_empty()) else { return Ok(None) };
    let decoded = percent_decode(token.as_bytes()).decode_utf8().map(Cow::into_owned);
    decoded.map(Some).map_err(|_| {
        bad_argument(&format!("invalid `{CONTINUATION}`; pass the value of that header from the previous page of this list"))
    })
}

/// A page. The header is there on the last one, too, and empty.
pub(super) fn answer(entries: &[impl Serialize], next: Option<&str>) -> Response {
    let next = utf8_percent_encode(next.unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    with(json(StatusCode::OK, entries), CONTINUATION, &next)
}
