//! Runs the rules on every orchestrator of a workspace.

use crate::allow::{self, Allow};
use crate::modules::{File, Files};
use crate::orchestrators::orchestrators;
use crate::report::{ALLOW, CheckedCounts, Finding, Level, Report};
use crate::workspace::Workspace;
use dacapo_lint::{Module, Place, Source, check_in};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// Reads the workspace and checks it.
pub(crate) fn check(workspace: &Workspace) -> Report {
    let mut files = Files::read(workspace);
    let problems = std::mem::take(&mut files.problems);
    let mut source = Source::of_modules(&modules(&files), &workspace.externs);
    let mut silences = Silences::read(&files, &mut source);
    let (mut findings, orchestrators) = found(&files, &source, &mut silences);
    findings.extend(silences.findings());
    findings.sort_by(|a, b| (&a.at.file, a.at.range.start, a.rule).cmp(&(&b.at.file, b.at.range.start, b.rule)));

    let chosen = || files.modules.iter().filter(|module| module.chosen);
    Report {
        findings,
        problems,
        checked: CheckedCounts {
            packages: chosen().map(|module| &module.package).collect::<BTreeSet<_>>().len(),
            files: chosen().map(|module| module.file).collect::<BTreeSet<_>>().len(),
            orchestrators,
        },
        files,
    }
}

fn modules(files: &Files) -> Vec<Module<'_>> {
    let module = |module: &crate::modules::Module| {
        let file = &files.files[module.file];
        Module { path: module.path.clone(), file: Arc::clone(&file.name), items: &file.items }
    };
    files.modules.iter().map(module).collect()
}

/// What the rules find in the chosen packages, and in how many orchestrators they looked for it.
fn found(files: &Files, source: &Source, silences: &mut Silences<'_>) -> (Vec<Finding>, usize) {
    let mut findings = Vec::new();
    let (mut seen, mut counted) = (HashSet::new(), HashSet::new());
    for module in files.modules.iter().filter(|module| module.chosen) {
        let file = &files.files[module.file];
        for orchestrator in orchestrators(source, &module.path, &file.items) {
            let name = &orchestrator.function.sig.ident;
            counted.insert((&file.name, name.span().byte_range().start));
            let place = Module { path: orchestrator.module, file: Arc::clone(&file.name), items: &[] };
            for found in check_in(orchestrator.function, source, &place, &orchestrator.options) {
                let at = Place::of(found.span, &file.name);
                // A file can belong to two targets.
                let key = (found.rule.name, Arc::clone(&at.file), at.range.start, found.message);
                if silences.silence(found.rule.name, &at) || !seen.insert(key) {
                    continue;
                }
                findings.push(Finding {
                    rule: found.rule.name,
                    level: Level::Error,
                    package: Some(module.package.clone()),
                    orchestrator: Some(name.to_string()),
                    what: found.what,
                    why: found.why,
                    instead: found.instead,
                    at,
                    chain: found.chain,
                });
            }
        }
    }
    (findings, counted.len())
}

/// The comments that silence a rule, and what is wrong with them.
struct Silences<'a> {
    known: Vec<Silence<'a>>,
    mistakes: Vec<Finding>,
}

struct Silence<'a> {
    file: &'a File,
    allow: Allow,
    /// Whether there is anything to silence.
    used: bool,
}

impl<'a> Silences<'a> {
    fn read(files: &'a Files, source: &mut Source) -> Self {
        let mut silences = Self { known: Vec::new(), mistakes: Vec::new() };
        for file in &files.files {
            let (allows, mistakes) = allow::read(&file.text);
            for allow in allows {
                let used = source.silence(allow.rule, &file.name, allow.line);
                silences.known.push(Silence { file, allow, used });
            }
            let mistakes = mistakes.into_iter().filter(|_| file.chosen);
            silences.mistakes.extend(mistakes.map(|mistake| {
                let why = "whoever reads the line must know which rule it breaks, and why that is right";
                about_comment(Level::Error, file, mistake.range, mistake.what, why, mistake.instead)
            }));
        }
        silences
    }

    /// Whether the rule is silenced at this place of an orchestrator.
    fn silence(&mut self, rule: &str, at: &Place) -> bool {
        let mut silenced = false;
        for silence in &mut self.known {
            if silence.allow.rule == rule && silence.allow.line == at.line && silence.file.name == at.file {
                silence.used = true;
                silenced = true;
            }
        }
        silenced
    }

    /// Comments that are wrong, or needless.
    fn findings(self) -> impl Iterator<Item = Finding> {
        let needless = self.known.into_iter().filter(|silence| !silence.used && silence.file.chosen);
        self.mistakes.into_iter().chain(needless.map(|silence| {
            let what = format!("`allow({})` silences nothing on line {}", silence.allow.rule, silence.allow.line);
            let why = "a comment that silences nothing now would hide a mistake later";
            about_comment(Level::Warning, silence.file, silence.allow.range, what, why, "remove it".to_owned())
        }))
    }
}

fn about_comment(level: Level, file: &File, range: Range<usize>, what: String, why: &str, instead: String) -> Finding {
    let line = file.text[..range.start].matches('\n').count() + 1;
    Finding {
        rule: ALLOW,
        level,
        package: None,
        orchestrator: None,
        what,
        why: why.to_owned(),
        instead,
        at: Place { file: Arc::clone(&file.name), line, range },
        chain: Vec::new(),
    }
}
