//! What the programs share that start orchestrations by routes of their own.

use axum::Json;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use dacapo::{Handle, RuntimeError, http};
use serde_json::json;

/// 202 with the management URLs, or 500 when the orchestration was not started, for which the reason is in the log.
pub(crate) fn accepted<F>(started: Result<Handle<F>, RuntimeError>, request: &Parts) -> Response {
    match started {
        Ok(run) => http::check_status(&run, request),
        Err(error) => {
            tracing::error!("could not start an orchestration: {error}");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong while processing your request")
        }
    }
}

/// An error in the form of Durable Functions.
pub(crate) fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "Message": message }))).into_response()
}
