//! Two questions the macro asks while it rewrites: is this a logging statement, and is this loop marked.

use crate::open::{Opened, open};
use syn::{Attribute, Macro};

/// Names of the macros that print or log.
const LOGGING: &[&str] =
    &["print", "println", "eprint", "eprintln", "dbg", "trace", "debug", "info", "warn", "error", "event", "log"];

/// Crates and modules such a macro may be named through.
const LOGGERS: &[&str] = &["std", "core", "tracing", "log"];

/// Whether a statement of this macro, which `path` leads to, prints or logs. What its arguments do is another matter: see
/// [`Arguments::computed_mut`].
///
/// [`Arguments::computed_mut`]: crate::Arguments::computed_mut
pub fn is_logging(mac: &Macro, path: &[String]) -> bool {
    let named = match path {
        [name] => LOGGING.contains(&name.as_str()),
        [from, .., name] => LOGGERS.contains(&from.as_str()) && LOGGING.contains(&name.as_str()),
        [] => false,
    };
    named && matches!(open(mac), Opened::Known(_))
}

/// Removes a `#[sequential]` from the attributes of a loop and says whether there was one.
pub fn take_sequential(attrs: &mut Vec<Attribute>) -> bool {
    let before = attrs.len();
    attrs.retain(|attr| !is_sequential(attr));
    attrs.len() < before
}

/// `#[sequential]` or `#[dacapo::sequential]`.
pub(crate) fn is_sequential(attr: &Attribute) -> bool {
    let path = attr.path();
    path.is_ident("sequential")
        || (path.segments.len() == 2 && path.segments[0].ident == "dacapo" && path.segments[1].ident == "sequential")
}
