//! What a request brings.

use axum::http::{HeaderMap, StatusCode, header};

use crate::http::answer::{Refusal, exception};
use crate::kernel::payload::Payload;

/// Whether a body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// A body as a recorded value. None is `null`.
pub(super) fn json(body: &[u8], refusal: &str) -> Result<Payload, Refusal> {
    let invalid = |why: &str| Box::new(exception(StatusCode::BAD_REQUEST, refusal, why, "JsonReaderException"));
    let text = std::str::from_utf8(body).map_err(|why| invalid(&why.to_string()))?.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(Payload::null());
    }
    Payload::from_json(text.trim().to_owned()).map_err(|why| invalid(why.message()))
}
