//! What can be the id of an instance.

use crate::failure::{Failure, FailureKind};
use crate::payload::Excerpt;

/// The rule of Durable Functions, so that every id fits into a URL.
pub(crate) fn check(id: &str) -> Result<(), Failure> {
    let wrong = if id.is_empty() {
        "it is empty"
    } else if id.chars().count() > 256 {
        "it is longer than 256 characters"
    } else if id.starts_with('@') {
        "it begins with `@`"
    } else if id.chars().any(|c| matches!(c, '/' | '\\' | '#' | '?') || c.is_control()) {
        "it has one of `/ \\ # ?` or a control character in it"
    } else {
        return Ok(());
    };
    let message = format!("{} cannot be an instance id: {wrong}", Excerpt(id));
    Err(Failure::new(FailureKind::Runtime, message).non_retryable())
}
