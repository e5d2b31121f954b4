//! The README is a promise: its program is the example, its errors are those of the compiler, its rules are the table's.

use std::path::Path;

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_quotes_the_example() {
    let example = include_str!("../examples/fan_out_fan_in.rs");
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let page = dacapo_lint::rules_markdown();
    if std::env::var_os("DACAPO_OVERWRITE").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/rules.md is stale; write it anew with `DACAPO_OVERWRITE=1 cargo test --test readme`");
}
