//! One JSON object, whose shape `--help` describes.

use super::{CheckedCounts, Level, Region, Report};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    findings: Vec<Finding<'a>>,
    problems: Vec<Problem<'a>>,
    checked: &'a CheckedCounts,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'a str,
    level: &'a str,
    package: Option<&'a str>,
    orchestrator: Option<&'a str>,
    what: &'a str,
    why: &'a str,
    instead: &'a str,
    at: Region,
    chain: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    text: &'a str,
    at: Region,
}

#[derive(Serialize)]
struct Problem<'a> {
    message: &'a str,
    at: Option<Region>,
}

pub(super) fn show(report: &Report) -> String {
    let findings = report.findings.iter().map(|finding| Finding {
        rule: finding.rule,
        level: level(finding.level),
        package: finding.package.as_deref(),
        orchestrator: finding.orchestrator.as_deref(),
        what: &finding.what,
        why: &finding.why,
        instead: &finding.instead,
        at: report.region(&finding.at),
        chain: finding.chain.iter().map(|step| Step { text: &step.text, at: report.region(&step.at) }).collect(),
    });
    let problems = report
        .problems
        .iter()
        .map(|problem| Problem { message: &problem.message, at: problem.at.as_ref().map(|at| report.region(at)) });
    let document = Document { version: 1, findings: findings.collect(), problems: problems.collect(), checked: &report.checked };
    // Strings and numbers can always be written.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// As SARIF calls it, too.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}
