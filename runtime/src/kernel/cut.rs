//! How much of an error's text is kept. What is longer is cut and marked, never refused.

/// The message of a failure, in bytes.
pub(crate) const MESSAGE: usize = 16 << 10;
/// One of its causes, in bytes.
pub(crate) const CAUSE: usize = 4 << 10;
/// How many causes it keeps.
const CAUSES: usize = 16;

/// The beginning of a text that is longer than `limit` bytes, and a mark that says how long it was.
pub(crate) fn cut(mut text: String, limit: usize) -> String {
    let length = text.len();
    if length > limit {
        let mark = format!("… [cut, {length} bytes in all]");
        let end = (0..=limit.saturating_sub(mark.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push_str(&mark);
    }
    text
}

/// The causes that a failure keeps, and a mark where there were more.
pub(crate) fn cut_causes(mut causes: Vec<String>) -> Vec<String> {
    let count = causes.len();
    if count > CAUSES {
        causes.truncate(CAUSES - 1);
        causes.push(format!("… [cut, {count} causes in all]"));
    }
    causes.into_iter().map(|cause| cut(cause, CAUSE)).collect()
}
