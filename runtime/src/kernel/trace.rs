//! Where a run comes from, in the words of distributed tracing: the two headers of the W3C Trace Context.

use serde::{Deserialize, Serialize};

/// The call that a run, or an activity, is part of: the headers `traceparent` and `tracestate` of the
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/).
///
/// ```
/// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context = dacapo::TraceContext::parse(parent, Some("vendor=1")).expect("it is well-formed");
/// assert_eq!((context.traceparent(), context.tracestate()), (parent, Some("vendor=1")));
/// assert_eq!(dacapo::TraceContext::parse("00-1-2-03", None), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

/// The most entries a `tracestate` may have.
const MOST_ENTRIES: usize = 32;

impl TraceContext {
    /// From the values of the headers. Nothing when `traceparent` is malformed, as the standard has it; a malformed `tracestate` is left
    /// out.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let traceparent = traceparent.trim();
        is_parent(traceparent).then(|| Self {
            traceparent: traceparent.to_owned(),
            tracestate: tracestate.map(str::trim).filter(|state| is_state(state)).map(str::to_owned),
        })
    }

    /// The value of the header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The value of the header `tracestate`.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }
}

/// Version, trace, parent and flags. A later version than 00 may say more after them.
fn is_parent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_id = |part: &str, length| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let [version, trace, parent, flags, rest @ ..] = parts.as_slice() else { return false };
    let is_version = is_hex(version, 2) && *version != "ff" && (*version != "00" || rest.is_empty());
    is_version && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)
}

/// `key=value` with commas between, each key once.
fn is_state(text: &str) -> bool {
    let entries = || text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let is_entry = |entry: &str| {
        let Some((key, value)) = entry.split_once('=') else { return false };
        let is_key_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
        let begins = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let is_value = value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
        begins && key.len() <= 256 && key.bytes().all(is_key_byte) && !value.is_empty() && value.len() <= 256 && is_value
    };
    let mut keys: Vec<_> = entries().filter_map(|entry| entry.split_once('=')).map(|(key, _)| key).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    (1..=MOST_ENTRIES).contains(&count) && keys.len() == count && entries().all(is_entry)
}

#[cfg(test)]
mod tests {
    use super::{TraceContext, is_parent, is_state};

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn a_parent_is_as_the_standard_has_it() {
        assert!(is_parent(&format!("00-{TRACE}-{PARENT}-01")));
        assert!(is_parent(&format!("cc-{TRACE}-{PARENT}-01-what-the-future-holds")));
        for wrong in [
            String::new(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("0-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}x-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-é"),
        ] {
            assert!(!is_parent(&wrong), "{wrong}");
        }
    }

    #[test]
    fn a_state_is_as_the_standard_has_it() {
        for right in ["a=1", "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE", "a@b=!~", "1x/*=v v", "a=1,,b=2"] {
            assert!(is_state(right), "{right}");
        }
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for wrong in ["", " ", "a", "A=1", "a=", "a=b=c", "a=1,a=2", "=1", "-a=1", "a=\u{e9}", &many] {
            assert!(!is_state(wrong), "{wrong}");
        }
        let context = TraceContext::parse(&format!(" 00-{TRACE}-{PARENT}-01 "), Some("A=1")).expect("the parent is well-formed");
        assert_eq!(context.tracestate(), None);
        assert!(!context.traceparent().starts_with(' '));
    }
}
