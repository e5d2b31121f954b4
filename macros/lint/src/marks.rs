//! Two questions the macro asks while it rewrites: is this a logging statement, and is this loop marked.

use crate::open::{Opened, open};
use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Macro};

/// Names of the macros that print or log.
const LOGGING: &[&str] =
    &["print", "println", "eprint", "eprintln", "dbg", "trace", "debug", "info", "warn", "error", "event", "log"];

/// Crates and modules such a macro may be named through.
const LOGGERS: &[&str] = &["std", "core", "tracing", "log"];

/// Whether a statement of this macro only prints or logs, so that it may be left out while replaying.
///
/// A macro of that name whose arguments await, leave the function, assign, or call a method that changes its receiver
/// (`println!("{:?}", queue.pop())`) is not one: leaving it out would change what the orchestrator does.
pub fn is_logging(mac: &Macro) -> bool {
    let mut segments = mac.path.segments.iter().map(|segment| segment.ident.to_string());
    let (first, last) = (segments.next(), segments.next_back());
    let named = match (&first, &last) {
        (Some(name), None) => LOGGING.contains(&name.as_str()),
        (Some(from), Some(name)) => LOGGERS.contains(&from.as_str()) && LOGGING.contains(&name.as_str()),
        _ => false,
    };
    named && matches!(open(mac), Opened::Known(_)) && !has_effect(mac.tokens.clone())
}

/// Methods that change their receiver.
pub(crate) const CHANGES: &[&str] = &[
    "push",
    "push_back",
    "push_front",
    "push_str",
    "pop",
    "pop_front",
    "pop_back",
    "insert",
    "remove",
    "swap_remove",
    "take",
    "replace",
    "next",
    "next_back",
    "nth",
    "drain",
    "clear",
    "extend",
    "append",
    "truncate",
    "retain",
    "entry",
    "get_or_insert",
    "get_or_insert_with",
    "increment",
    "send",
    "detach",
];

fn has_effect(tokens: TokenStream) -> bool {
    let mut before = ' ';
    let mut tokens = tokens.into_iter().peekable();
    let mut first = true;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                if has_effect(group.stream()) {
                    return true;
                }
                before = ')';
            }
            TokenTree::Ident(name) => {
                let name = name.to_string();
                let method = before == '.' && CHANGES.contains(&name.as_str());
                let leaves = matches!(name.as_str(), "await" | "return" | "break" | "continue" | "unsafe");
                if method || leaves || (before == '&' && name == "mut") {
                    return true;
                }
                before = 'a';
            }
            TokenTree::Punct(punct) => {
                let next = match tokens.peek() {
                    Some(TokenTree::Punct(next)) => next.as_char(),
                    Some(_) => 'a',
                    None => ' ',
                };
                // A `?` behind a value leaves the function; before a value it is a field's formatting.
                let tries = punct.as_char() == '?' && matches!(before, 'a' | ')' | '?') && !first;
                let compound = matches!(punct.as_char(), '+' | '-' | '*' | '/' | '%' | '|' | '^') && next == '=';
                if tries || (compound && before != '=') {
                    return true;
                }
                before = punct.as_char();
            }
            TokenTree::Literal(_) => before = 'a',
        }
        first = false;
    }
    false
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
