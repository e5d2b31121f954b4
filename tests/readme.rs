//! The README is a promise: its program is the example, its errors are those of the compiler, its rules are the table's.

use std::fmt::Write as _;
use std::path::Path;

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_quotes_the_example() {
    let example = include_str!("../examples/hello.rs");
    let quoted: Vec<_> = README
        .lines()
        .skip_while(|line| !line.starts_with("```rust"))
        .skip(1)
        .take_while(|line| *line != "```")
        .filter(|line| !line.trim_start().starts_with("# "))
        .collect();
    let program: Vec<_> = example.lines().skip_while(|line| line.starts_with("//!") || line.is_empty()).collect();
    assert_eq!(quoted, program);
}

#[test]
fn the_readme_shows_the_errors_that_the_compiler_gives() {
    let shown: String = README.split_whitespace().collect::<Vec<_>>().join(" ");
    let function = syn::parse_str(
        "async fn process_batch(items: Vec<u32>) -> Result<Vec<String>, String> {
            let started = std::time::SystemTime::now();
            let mut results = Vec::new();
            for item in items {
                results.push(process(item).await?);
            }
            results.push(format!(\"{started:?}\"));
            Ok(results)
        }",
    );
    let findings = dacapo_lint::check(&function.expect("it is a function"), None, &dacapo_lint::Options::new());
    assert_eq!(findings.len(), 2);
    for finding in findings {
        assert!(shown.contains(&finding.message), "the README does not show: {}", finding.message);
    }
}

#[test]
fn the_page_of_rules_is_up_to_date() {
    is_current("docs/rules.md", &dacapo_lint::rules_markdown());
}

/// The file is among those that `tests/ui/types.rs` compiles.
#[test]
fn the_good_example_of_every_rule_is_compiled() {
    let mut program = String::from(
        "//! The good example of every rule, one module each. Written from the table of rules.\n#![allow(unused)]\n",
    );
    for rule in dacapo_lint::RULES {
        let _ = write!(program, "\nmod {} {{\n    use dacapo::{{activity, orchestrator}};\n\n", rule.name);
        for line in rule.good.lines() {
            program.push_str(format!("    {line}").trim_end());
            program.push('\n');
        }
        program.push_str("}\n");
    }
    program.push_str("\nfn main() {}\n");
    is_current("tests/ui/types/pass/good_examples.rs", &program);
}

/// Compares a generated file with what it should be, or writes it anew when asked to.
fn is_current(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("DACAPO_OVERWRITE").is_some() {
        std::fs::write(&file, text).expect("the file can be written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == text, "{path} is stale; write it anew with `DACAPO_OVERWRITE=1 cargo test --test readme`");
}
