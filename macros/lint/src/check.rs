//! The check of one orchestrator: what its body contains, what the functions it calls contain, how its calls are awaited.

use crate::finding::{Finding, Step};
use crate::function::{Function, FunctionKind, Place};
use crate::names::Segments;
use crate::scope::Scope;
use crate::source::Source;
use crate::together::Module;
use crate::walk::Walk;
use crate::{held, loops, lower};
use proc_macro2::Span;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use syn::ItemFn;

/// How an orchestrator is checked.
#[derive(Debug, Clone, Default)]
pub struct Options {
    allowed: HashSet<String>,
    file: Option<String>,
}

impl Options {
    /// Every rule, and the file name of the [`Source`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Switches a rule off: `#[orchestrator(allow(rule, reason = ".."))]`.
    #[must_use]
    pub fn allow(mut self, rule: &str) -> Self {
        self.allowed.insert(rule.to_owned());
        self
    }

    /// The file name that stands in chains.
    #[must_use]
    pub fn file(mut self, name: &str) -> Self {
        self.file = Some(name.to_owned());
        self
    }
}

/// All findings of one orchestrator, each at its own token, in source order.
///
/// Without its source file, names are resolved as far as the function itself shows.
pub fn check(function: &ItemFn, source: Option<&Source>, options: &Options) -> Vec<Finding> {
    let empty = Source { root: vec!["crate".to_owned()], ..Source::default() };
    let source = source.unwrap_or(&empty);
    let module = Module { path: source.module_of(&function.sig.ident.to_string()), file: Arc::clone(&source.file), items: &[] };
    check_in(function, source, &module, options)
}

/// [`check`] for an orchestrator that stands in this module of the source.
pub fn check_in(function: &ItemFn, source: &Source, module: &Module<'_>, options: &Options) -> Vec<Finding> {
    let scope = Scope::new(&source.declared.modules, module.path.clone(), None);
    let mut walk = Walk::new(&source.declared, scope, &module.file);
    walk.body(&function.sig, &function.block, None);

    let mut findings: Vec<Finding> = walk.hits.iter().map(Finding::of_hit).collect();
    let functions = Functions { nested: &walk.functions, source, file: options.file.as_deref() };
    for (path, span) in &walk.mentions {
        functions.follow(path, *span, &module.file, &mut findings);
    }
    let flow = lower::lower(function, &source.declared, &module.path);
    findings.extend(loops::judge(&flow).iter().map(Finding::of_fault));
    findings.extend(held::one_by_one(&flow).iter().map(Finding::of_held));
    findings.extend(held::unused(&flow).map(Finding::of_dropped));

    findings.retain(|finding| !options.allowed.contains(finding.rule.name));
    findings.sort_by_key(|finding| (finding.span.start().line, finding.span.start().column));
    findings
}

/// The functions an orchestrator can be followed into.
struct Functions<'a> {
    nested: &'a HashMap<Segments, Function>,
    source: &'a Source,
    /// What a file is called in chains, other than by its own name.
    file: Option<&'a str>,
}

/// A function that was reached, where it was called, and from which one.
struct Reached<'a> {
    function: &'a Function,
    called: Place,
    from: Option<usize>,
    /// The rules that were silenced on the way.
    silenced: Vec<&'static str>,
}

impl<'a> Functions<'a> {
    fn get(&self, path: &[String]) -> Option<&'a Function> {
        let function = self.nested.get(path).or_else(|| self.source.function(path))?;
        (function.kind == FunctionKind::Plain).then_some(function)
    }

    /// Reports each rule that the function at `path` breaks, by the shortest chain that leads there.
    fn follow(&self, path: &[String], span: Span, file: &Arc<str>, findings: &mut Vec<Finding>) {
        let Some(function) = self.get(path) else { return };
        let mut seen = HashSet::from([(function.path.as_slice(), Vec::new())]);
        let mut rules = HashSet::new();
        // A breadth-first walk that remembers its way.
        let mut reached = vec![Reached { function, called: Place::of(span, file), from: None, silenced: Vec::new() }];
        let mut at = 0;
        while let Some(Reached { function, silenced, .. }) = reached.get(at) {
            let (function, silenced) = (*function, silenced.clone());
            for hit in &function.hits {
                let allowed = silenced.contains(&hit.rule) || self.source.silenced_at(&hit.at).any(|rule| rule == hit.rule);
                // What a helper gives to a macro is not awaited by the orchestrator.
                if hit.rule != "unchecked_macro" && !allowed && rules.insert(hit.rule) {
                    let mut chain = way(&reached, at);
                    chain.push(Step { text: hit.text.clone(), at: hit.at.clone() });
                    findings.push(Finding::of_chain(hit, chain, self.file, span));
                }
            }
            for mention in &function.mentions {
                let Some(next) = self.get(&mention.path) else { continue };
                let mut silenced = silenced.clone();
                silenced.extend(self.source.silenced_at(&mention.at));
                silenced.sort_unstable();
                silenced.dedup();
                if seen.insert((&next.path, silenced.clone())) {
                    reached.push(Reached { function: next, called: mention.at.clone(), from: Some(at), silenced });
                }
            }
            at += 1;
        }
    }
}

/// The functions on the way to the one at `end`.
fn way(reached: &[Reached<'_>], end: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = Some(end);
    while let Some(reached) = at.and_then(|at| reached.get(at)) {
        steps.push(Step { text: reached.function.name.clone(), at: reached.called.clone() });
        at = reached.from;
    }
    steps.reverse();
    steps
}
