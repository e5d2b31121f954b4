//! The check of one orchestrator: what its body contains, what the functions it calls contain, how its calls are awaited.

use crate::finding::Finding;
use crate::names::Segments;
use crate::scope::Scope;
use crate::source::{Function, FunctionKind, Source, Use};
use crate::walk::Walk;
use crate::{held, loops, lower};
use proc_macro2::Span;
use std::collections::{HashMap, HashSet};
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
    let empty = Source {
        root: vec!["crate".to_owned()],
        ..Source::default()
    };
    let source = source.unwrap_or(&empty);
    let module = source.module_of(&function.sig.ident.to_string());
    let mut walk = Walk::new(&source.declared, Scope::new(&source.declared.modules, module.clone(), None));
    walk.body(&function.sig, &function.block, None);

    let mut findings: Vec<Finding> = walk.hits.iter().map(Finding::of_hit).collect();
    let file = options.file.as_ref().unwrap_or(&source.file);
    let functions = Functions {
        nested: &walk.functions,
        source,
    };
    for (path, span) in &walk.mentions {
        functions.follow(path, *span, file, &mut findings);
    }
    let flow = lower::lower(function, &source.declared, &module);
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
}

impl<'a> Functions<'a> {
    fn get(&self, path: &[String]) -> Option<&'a Function> {
        let function = self.nested.get(path).or_else(|| self.source.function(path))?;
        (function.kind == FunctionKind::Plain).then_some(function)
    }

    /// Reports each rule that the function at `path` breaks, by the shortest chain that leads there.
    fn follow(&self, path: &[String], span: Span, file: &str, findings: &mut Vec<Finding>) {
        let Some(first) = self.get(path) else { return };
        let mut seen: HashSet<&[String]> = HashSet::from([first.path.as_slice()]);
        let mut rules = HashSet::new();
        // Each function with the position of the one it was reached from: a breadth-first walk that remembers its way.
        let mut reached = vec![(first, None)];
        let mut at = 0;
        while let Some((function, _)) = reached.get(at).copied() {
            for Use {
                rule,
                text,
                instead,
                line,
            } in &function.hits
            {
                // What a helper gives to a macro is not awaited by the orchestrator.
                if *rule != "unchecked_macro" && rules.insert(*rule) {
                    let place = if file.is_empty() {
                        format!("line {line}")
                    } else {
                        format!("{file}:{line}")
                    };
                    let chain = format!("{} → {text} at {place}", way(&reached, at).join(" → "));
                    findings.push(Finding::of_chain(rule, instead, &chain, span));
                }
            }
            for mention in &function.mentions {
                if let Some(next) = self.get(&mention.path).filter(|next| seen.insert(&next.path)) {
                    reached.push((next, Some(at)));
                }
            }
            at += 1;
        }
    }
}

/// The names of the functions on the way to the one at `end`.
fn way<'a>(reached: &[(&'a Function, Option<usize>)], end: usize) -> Vec<&'a str> {
    let mut names = Vec::new();
    let mut at = Some(end);
    while let Some((function, from)) = at.and_then(|at| reached.get(at)) {
        names.push(function.name.as_str());
        at = *from;
    }
    names.reverse();
    names
}
