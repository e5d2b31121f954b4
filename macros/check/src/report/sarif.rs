//! SARIF 2.1.0 (OASIS standard), as code scanning services read it.

use super::json::level;
use super::{ALLOW, Finding, Report};
use crate::problem::Problem;
use dacapo_lint::{Place, RULES};
use serde_json::{Value, json};

pub(super) fn show(report: &Report) -> String {
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            } },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "ROOT": { "description": { "text": "The root of the workspace" } } },
            "invocations": [{
                "executionSuccessful": report.problems.is_empty(),
                "toolExecutionNotifications":
                    report.problems.iter().map(|problem| notification(report, problem)).collect::<Value>(),
            }],
            "results": report.findings.iter().map(|finding| result(report, finding)).collect::<Value>(),
        }],
    });
    format!("{document:#}\n")
}

fn rules() -> Value {
    let rules = RULES.iter().map(|rule| {
        json!({
            "id": rule.name,
            "shortDescription": { "text": format!("Refuses {}", rule.refuses) },
            "fullDescription": { "text": format!("Refuses {}: {}. Instead: {}.", rule.refuses, rule.why, rule.instead) },
            "help": {
                "text": format!("{}. See `cargo dacapo explain {}`.", rule.instead, rule.name),
                "markdown": rule.markdown(),
            },
            "defaultConfiguration": { "level": "error" },
        })
    });
    let text = "A comment that silences a rule must name a rule, give a reason, and silence something";
    let comments = json!({ "id": ALLOW, "shortDescription": { "text": text } });
    rules.chain([comments]).collect()
}

fn result(report: &Report, finding: &Finding) -> Value {
    let index = RULES.iter().position(|rule| rule.name == finding.rule).unwrap_or(RULES.len());
    let way = finding.way().map(|way| format!(" ({way})")).unwrap_or_default();
    let message = format!("{}{way}; {}; {}", finding.what, finding.why, finding.instead);
    let mut location = json!({ "physicalLocation": physical(report, &finding.at) });
    if let Some(name) = &finding.orchestrator {
        location["logicalLocations"] = json!([{ "name": name, "kind": "function" }]);
    }
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": level(finding.level),
        "message": { "text": message },
        "locations": [location],
    });
    if !finding.chain.is_empty() {
        let step = |at: &Place, text: String| json!({ "location": { "physicalLocation": physical(report, at), "message": { "text": text } } });
        let last = finding.chain.len() - 1;
        let steps = finding.chain.iter().enumerate().map(|(at, taken)| {
            let text =
                if at == last { format!("`{}` {}", taken.text, finding.deed()) } else { format!("calls `{}`", taken.text) };
            step(&taken.at, text)
        });
        result["codeFlows"] = json!([{ "threadFlows": [{ "locations": steps.collect::<Value>() }] }]);
    }
    result
}

fn notification(report: &Report, problem: &Problem) -> Value {
    let mut notification = json!({ "level": "error", "message": { "text": problem.message } });
    if let Some(at) = &problem.at {
        notification["locations"] = json!([{ "physicalLocation": physical(report, at) }]);
    }
    notification
}

fn physical(report: &Report, at: &Place) -> Value {
    let region = report.region(at);
    json!({
        "artifactLocation": { "uri": uri(&region.file), "uriBaseId": "ROOT" },
        "region": {
            "startLine": region.line,
            "startColumn": region.column,
            "endLine": region.end_line,
            "endColumn": region.end_column,
        },
    })
}

/// A path as a URI reference (RFC 3986, section 3.3).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
