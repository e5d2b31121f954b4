//! As the compiler shows its errors: the source, the place, what leads there.

use super::{ALLOW, Finding, Level, Report};
use crate::problem::Problem;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level as Title, Renderer, Snippet};
use dacapo_lint::Place;
use std::fmt::Write;

/// The findings one by one, the problems, and a line that sums up. With colours.
pub(super) fn show(report: &Report) -> String {
    let renderer = Renderer::styled();
    let groups = report
        .findings
        .iter()
        .map(|finding| of_finding(report, finding))
        .chain(report.problems.iter().map(|problem| of_problem(report, problem)));
    let mut text = String::new();
    for group in groups {
        text.push_str(&renderer.render(&[group]));
        text.push_str("\n\n");
    }
    text.push_str(&summary(report));
    text
}

fn of_finding<'a>(report: &'a Report, finding: &'a Finding) -> Group<'a> {
    let title = match finding.level {
        Level::Error => Title::ERROR,
        Level::Warning => Title::WARNING,
    };
    let title = title.primary_title(finding.what.as_str()).id(finding.rule);
    let mut group = title.elements(snippets(report, finding));
    group = group.element(Title::NOTE.message(finding.why.as_str())).element(Title::HELP.message(finding.instead.as_str()));
    if finding.rule == ALLOW {
        group.element(Title::HELP.message("see `cargo dacapo check --help`"))
    } else {
        group.element(Title::HELP.message(format!("see `cargo dacapo explain {}`", finding.rule)))
    }
}

/// A snippet for each file, that of the orchestrator first.
fn snippets<'a>(report: &'a Report, finding: &'a Finding) -> Vec<Snippet<'a, Annotation<'a>>> {
    let primary = AnnotationKind::Primary.span(range(report, &finding.at)).label(finding.way());
    let mut annotated = vec![(&*finding.at.file, vec![primary])];
    for (at, step) in finding.chain.iter().enumerate().skip(1) {
        let label = if at + 1 == finding.chain.len() { finding.deed().to_owned() } else { format!("calls `{}`", step.text) };
        let annotation = AnnotationKind::Context.span(range(report, &step.at)).label(label);
        match annotated.iter_mut().find(|(file, _)| *file == &*step.at.file) {
            Some((_, annotations)) => annotations.push(annotation),
            None => annotated.push((&step.at.file, vec![annotation])),
        }
    }
    let snippet = |(file, annotations)| Snippet::source(report.files.text(file)).path(file).annotations(annotations);
    annotated.into_iter().map(snippet).collect()
}

fn of_problem<'a>(report: &'a Report, problem: &'a Problem) -> Group<'a> {
    let title = Title::ERROR.primary_title(problem.message.as_str());
    let shown = problem.at.as_ref().map(|at| {
        let annotation = AnnotationKind::Primary.span(range(report, at));
        Snippet::source(report.files.text(&at.file)).path(&*at.file).annotation(annotation)
    });
    match shown {
        Some(snippet) => title.element(snippet),
        None => Group::with_title(title),
    }
}

/// The bytes of a place, which must lie in the text.
fn range(report: &Report, at: &Place) -> std::ops::Range<usize> {
    let end = report.files.text(&at.file).len();
    at.range.start.min(end)..at.range.end.min(end)
}

fn summary(report: &Report) -> String {
    let checked = &report.checked;
    let errors = report.errors();
    let mut text = format!(
        "checked {} in {} of {}: {}",
        counted(checked.orchestrators, "orchestrator"),
        counted(checked.files, "file"),
        counted(checked.packages, "package"),
        counted(errors, "error"),
    );
    for (count, name) in [(report.findings.len() - errors, "warning"), (report.problems.len(), "place that could not be read")] {
        if count > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {}", counted(count, name));
        }
    }
    text.push('\n');
    text
}

fn counted(count: usize, name: &str) -> String {
    match (count, name.split_once(' ')) {
        (1, _) => format!("1 {name}"),
        (_, Some((noun, rest))) => format!("{count} {noun}s {rest}"),
        (_, None) => format!("{count} {name}s"),
    }
}
