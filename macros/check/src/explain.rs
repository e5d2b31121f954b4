//! The pages of the rules.

use dacapo_lint::{RULES, Rule, rule_named};
use std::fmt::Write;

/// Every rule with what it refuses.
pub(crate) fn list() -> String {
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    let mut text = String::from("The rules of an orchestrator; `cargo dacapo explain RULE` prints the page of one.\n\n");
    for rule in RULES {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:width$}  {}", rule.name, rule.refuses);
    }
    text
}

/// The page of a rule: what, why, instead, and an example of both.
pub(crate) fn page(name: &str) -> Option<String> {
    let rule = rule_named(name)?;
    let Rule { name, refuses, why, instead, bad, good } = rule;
    let (bad, good) = (indented(bad), indented(good));
    let allowed = format!(
        "\nWhere it is right all the same, for one orchestrator, or for one line of `cargo dacapo check`:\n\n    \
         #[orchestrator(allow({name}, reason = \"..\"))]\n    // dacapo: allow({name}) the reason\n"
    );
    let allowed = if rule.can_be_allowed() { &*allowed } else { "" };
    Some(format!(
        "{name}\n\n  Refuses  {refuses}.\n  Why      {why}.\n  Instead  {instead}.\n\nRefused:\n\n{bad}\nWrite:\n\n{good}{allowed}"
    ))
}

fn indented(code: &str) -> String {
    code.lines().fold(String::new(), |mut text, line| {
        let indent = if line.is_empty() { "" } else { "    " };
        text.push_str(indent);
        text.push_str(line);
        text.push('\n');
        text
    })
}
