//! The rules of `dacapo-lint` on the body of an orchestrator, with the source file it stands in.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::SystemTime;

use dacapo_lint::{Options, Source};
use proc_macro2::LineColumn;
use syn::ItemFn;

use crate::args::Arguments;
use crate::context::Context;

/// The rules that say of a future what the type rule would say again in other words.
const FOREIGN: &[&str] = &["sleep", "spawn", "io", "race"];

/// Collects what the rules find in `function`, which must not be rewritten yet, and returns where futures, or macros that await them, were refused.
pub(crate) fn check(function: &ItemFn, arguments: &Arguments, source: Option<&Source>, cx: &mut Context) -> Vec<LineColumn> {
    let options = arguments.allowed.iter().fold(Options::new(), |options, rule| options.allow(rule));
    let mut refused = Vec::new();
    for finding in dacapo_lint::check(function, source, &options) {
        if FOREIGN.contains(&finding.rule.name) {
            refused.push(finding.span.start());
        }
        cx.at(finding.span, finding.message);
    }
    refused
}

/// Whether the source shows `function` inside an `impl` or a `trait`.
pub(crate) fn is_associated(function: &ItemFn, source: Option<&Source>) -> bool {
    let name = &function.sig.ident;
    let line = name.span().start().line;
    let suffix = format!("::{name}");
    source.is_some_and(|source| source.functions().any(|other| other.at.line == line && other.name.ends_with(&suffix)))
}

type Parsed = Option<Rc<Source>>;

thread_local! {
    /// The files of this process, each as it was at a time.
    static FILES: RefCell<HashMap<PathBuf, (Option<SystemTime>, Parsed)>> = RefCell::default();
}

/// The file that is being compiled; none where the compiler has no file, as in an editor.
pub(crate) fn source() -> Parsed {
    let file = proc_macro::Span::call_site().local_file()?;
    let changed = std::fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
    if let Some((at, parsed)) = FILES.with_borrow(|files| files.get(&file).cloned())
        && at == changed
    {
        return parsed;
    }
    let text = std::fs::read_to_string(&file).ok();
    let parsed = text.and_then(|text| Source::parse_file(&text, &file).ok()).map(Rc::new);
    FILES.with_borrow_mut(|files| files.insert(file, (changed, parsed.clone())));
    parsed
}
