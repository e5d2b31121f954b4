//! What can be the id of an instance.

use crate::failure::{Failure, FailureKind};
use crate::payload::Excerpt;

/// The rule of Durable Functions, so that every id fits into a URL, and beyond it none of the two that a URL takes for a way up.
pub(crate) fn check(id: &str) -> Result<(), Failure> {
    let wrong = if id.is_empty() {
        "it is empty"
    } else if id.chars().count() > 256 {
        "it is longer than 256 characters"
    } else if id.starts_with('@') {
        "it begins with `@`"
    } else if is_way(id) {
        "in a URL it means a folder, whichever way it is written"
    } else if id.chars().any(|c| matches!(c, '/' | '\\' | '#' | '?') || c.is_control()) {
        "it has one of `/ \\ # ?` or a control character in it"
    } else {
        return Ok(());
    };
    Err(refused(id, wrong))
}

/// The same for `@name@key`, where the rest of the rule holds for the whole.
pub(crate) fn check_entity(id: &str, name: &str, key: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains('@') {
        return Err(refused(id, "its name is empty or has an `@` in it"));
    }
    if key.is_empty() {
        return Err(refused(id, "its key is empty"));
    }
    if is_way(key) {
        return Err(refused(id, "its key means a folder in a URL"));
    }
    // One character stands for the first `@`.
    check(&id.replacen('@', "_", 1))
        .map_err(|_| check(key).err().unwrap_or_else(|| refused(id, "it is longer than 256 characters")))
}

/// Clients resolve these before they send a path (RFC 3986, 5.2.4), percent-encoded or not.
fn is_way(id: &str) -> bool {
    matches!(id, "." | "..")
}

/// Whether an id is that of an entity, which no orchestration can have.
pub(crate) fn is_entity(id: &str) -> bool {
    id.starts_with('@')
}

/// The name in the id of an entity.
pub(crate) fn entity_name(id: &str) -> &str {
    id.get(1..).and_then(|rest| rest.split_once('@')).map_or("", |(name, _)| name)
}

fn refused(id: &str, wrong: &str) -> Failure {
    let message = format!("{} cannot be an instance id: {wrong}", Excerpt(id));
    Failure::new(FailureKind::Runtime, message).non_retryable()
}
