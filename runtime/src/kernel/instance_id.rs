//! What can be the id of an instance.

use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::Excerpt;

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
    } else if id.chars().any(|c| matches!(c, '/' | '\\' | '#' | '?') || is_invisible_control(c)) {
        "it contains one of `/ \\ # ?`, a control character, or a character that changes the direction of text"
    } else {
        return Ok(());
    };
    Err(refused(id, wrong))
}

/// Whether a character is not shown but changes how the text around it is: a control character, an end of a line, or one of the
/// bidirectional controls of Unicode (UAX #9), by which one id can look like another.
pub(crate) fn is_invisible_control(c: char) -> bool {
    let is_bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_bidi || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A text in which such characters are written as in `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible_control(c) { visible.extend(c.escape_unicode()) } else { visible.push(c) }
    }
    visible
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
    let message = format!("{} cannot be an instance id: {wrong}", Excerpt(&visible(id)));
    Failure::new(FailureKind::Runtime, message).non_retryable()
}
