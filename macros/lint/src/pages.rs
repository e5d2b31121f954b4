//! The rules as a page to read.

use crate::rules::{RULES, Rule};
use std::fmt::Write;

/// The text of `docs/rules.md`.
pub fn rules_markdown() -> String {
    let mut page = String::from(
        "# What an orchestrator may not contain\n\nAn orchestrator is played again from its history after a crash, so it must decide the same way every time. \
         These rules are checked when it is compiled. A rule is switched off for one orchestrator with \
         `#[orchestrator(allow(rule, reason = \"…\"))]`.\n\nThis page is generated from the table of rules in `dacapo-lint`.\n",
    );
    for rule in RULES {
        page.push('\n');
        page.push_str(&rule.markdown());
    }
    page
}

impl Rule {
    /// The rule's own page: what, why, instead, and both examples.
    pub fn markdown(&self) -> String {
        let Self { name, refuses, why, instead, bad, good } = self;
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "## {name}\n\nRefuses {refuses}.\n\n**Why:** {why}.\n\n**Instead:** {instead}.\n\nRefused:\n\n```rust,ignore\n{bad}```\n\nWrite:\n\n```rust,ignore\n{good}```\n"
        );
        page
    }
}
