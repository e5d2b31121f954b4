//! The rules as users read them: the page in `docs/` is the table in `dacapo-lint`.

#[test]
fn the_page_of_rules_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
    let page = dacapo_lint::rules_markdown();
    if std::env::var_os("DACAPO_OVERWRITE").is_some() {
        std::fs::write(path, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/rules.md is stale; write it anew with `DACAPO_OVERWRITE=1 cargo test --test rules`");
}

#[test]
fn the_readme_shows_the_errors_that_the_compiler_gives() {
    let readme = include_str!("../README.md");
    let shown: String = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let function = syn_function(
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
    let findings = dacapo_lint::check(&function, None, &dacapo_lint::Options::new());
    assert_eq!(findings.len(), 2);
    for finding in findings {
        assert!(shown.contains(&finding.message), "the README does not show: {}", finding.message);
    }
}

fn syn_function(text: &str) -> syn::ItemFn {
    syn::parse_str(text).expect("it is a function")
}
