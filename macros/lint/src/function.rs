//! A function of a source file: what it contains and mentions. Plain data, so it can be kept.

use proc_macro2::Span;
use std::ops::Range;
use std::sync::Arc;

/// What kind of function a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// A function without an attribute of ours: what it does, its caller does.
    Plain,
    /// `#[activity]`: the walk stops here.
    Activity,
    /// `#[orchestrator]`: checked for itself.
    Orchestrator,
}

/// A function of a source file.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name as written, with the type for an associated function: `Price::of`.
    pub name: String,
    /// Its path from the crate's root: `["crate", "orders", "price_of"]`.
    pub path: Vec<String>,
    /// What it is.
    pub kind: FunctionKind,
    /// Where its name stands.
    pub at: Place,
    /// What its own body contains that an orchestrator may not.
    pub hits: Vec<Use>,
    /// The functions its body mentions.
    pub mentions: Vec<Mention>,
}

/// Something refused in the body of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Name of the rule.
    pub rule: &'static str,
    /// As the user wrote it: `SystemTime::now`.
    pub text: String,
    /// What to write instead; empty for the rule's own advice.
    pub instead: &'static str,
    /// Where it stands.
    pub at: Place,
}

/// A function that a body calls or names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Its resolved path; begins with `crate` for a function of the same crate.
    pub path: Vec<String>,
    /// Where it stands.
    pub at: Place,
}

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it stands in chains.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The bytes of the file.
    pub range: Range<usize>,
}

impl Place {
    /// Where `span` stands in `file`.
    pub fn of(span: Span, file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), line: span.start().line, range: span.byte_range() }
    }
}
