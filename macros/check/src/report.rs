//! What was found, and how it is shown.

mod human;
mod json;
mod sarif;

use crate::cli::Format;
use crate::modules::Files;
use crate::problem::Problem;
use dacapo_lint::{Place, Step};

/// The rule of findings about comments that silence other rules.
pub(crate) const ALLOW: &str = "allow";

/// The outcome of a check.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) checked: CheckedCounts,
    pub(crate) files: Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
}

/// Something an orchestrator may not do, or a comment that is wrong.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    pub(crate) level: Level,
    pub(crate) package: Option<String>,
    pub(crate) orchestrator: Option<String>,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) instead: String,
    pub(crate) at: Place,
    /// From the function that the orchestrator calls to what is refused.
    pub(crate) chain: Vec<Step>,
}

/// How much was checked.
#[derive(Debug, serde::Serialize)]
pub(crate) struct CheckedCounts {
    pub(crate) packages: usize,
    pub(crate) files: usize,
    pub(crate) orchestrators: usize,
}

impl Report {
    pub(crate) fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.level == Level::Error).count()
    }

    pub(crate) fn show(&self, format: Format) -> String {
        match format {
            Format::Human => human::show(self),
            Format::Json => json::show(self),
            Format::Sarif => sarif::show(self),
        }
    }

    fn region(&self, at: &Place) -> Region {
        let text = self.files.text(&at.file);
        let ((line, column), (end_line, end_column)) = (position(text, at.range.start), position(text, at.range.end));
        Region { file: at.file.to_string(), line, column, end_line, end_column }
    }
}

/// A place by lines and columns, both from 1; columns in characters, the end exclusive.
#[derive(Debug, serde::Serialize)]
struct Region {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl Finding {
    /// `checkout → price_of → SystemTime::now at rates.rs:41`
    fn way(&self) -> Option<String> {
        let last = self.chain.last()?;
        let names = self.orchestrator.iter().chain(self.chain.iter().map(|step| &step.text));
        let names: Vec<&str> = names.map(String::as_str).collect();
        Some(format!("{} at {}:{}", names.join(" → "), last.at.file, last.at.line))
    }

    /// What the last step of the chain does: `reads a clock`.
    fn deed(&self) -> &str {
        let first = self.chain.first().map_or("", |step| &step.text);
        self.what.strip_prefix(&format!("`{first}` ")).unwrap_or(&self.what)
    }
}
