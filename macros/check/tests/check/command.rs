//! The command line: exit codes, packages, pages.

use crate::fixture::{Workspace, run};
use dacapo_lint::RULES;
use serde_json::Value;

const BAD: &str = "#[orchestrator] async fn run(n: u8) { std::process::id(); }";

#[test]
fn cargo_calls_it_with_its_own_name() {
    let workspace = Workspace::of(BAD);
    assert_eq!(workspace.run(&["dacapo", "check"]).out, workspace.run(&["check"]).out);
    let version = format!("cargo-dacapo {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(workspace.run(&["dacapo", "--version"]).out, version);
}

#[test]
fn the_exit_code_tells_the_outcome() {
    assert_eq!(Workspace::of("").run(&["check"]).code, Some(0));
    assert_eq!(Workspace::of(BAD).run(&["check"]).code, Some(1));
    assert_eq!(Workspace::of("fn {").run(&["check"]).code, Some(2));
    assert_eq!(Workspace::of("").run(&["chekc"]).code, Some(2));
}

#[test]
fn without_a_manifest_it_says_so() {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let outcome = run(folder.path(), &["check"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""));
    assert!(outcome.err.starts_with("error: could not find `Cargo.toml`"), "{}", outcome.err);
    let outcome = run(folder.path(), &["check", "--manifest-path", "gone/Cargo.toml"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err.contains("gone/Cargo.toml"), "{}", outcome.err);
}

#[test]
fn a_manifest_can_be_named() {
    let workspace = Workspace::of(BAD);
    let manifest = workspace.path().join("shop/Cargo.toml");
    let elsewhere = tempfile::TempDir::new().expect("a temporary folder can be made");
    let outcome = run(elsewhere.path(), &["check", "--manifest-path", &manifest.to_string_lossy()]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.out.contains(" --> shop/src/lib.rs:1:"), "{}", outcome.out);
}

#[test]
fn a_file_that_is_not_rust_is_reported_and_the_rest_is_checked() {
    let workspace = Workspace::of("mod broken; mod gone;\n#[orchestrator] async fn run(n: u8) { std::process::id(); }")
        .file("shop/src/broken.rs", "pub fn fine() {}\n\npub fn half( {");
    let outcome = workspace.run(&["check"]);
    assert_eq!(outcome.code, Some(2));
    for expected in [
        "error[environment]: `std::process::id` reads or changes the process",
        "error: `shop/src/broken.rs` is not Rust that can be read: ",
        " --> shop/src/broken.rs:3:",
        "error: there is no file for the module `gone`: looked for `shop/src/gone.rs` and `shop/src/gone/mod.rs`",
        "1 error, 2 places that could not be read\n",
    ] {
        assert!(outcome.out.contains(expected), "{expected:?} in {}", outcome.out);
    }
    let report: Value = serde_json::from_str(&workspace.run(&["check", "--format", "json"]).out).expect("it is JSON");
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["problems"][0]["at"]["line"], 3);
}

#[test]
fn only_the_chosen_packages_are_checked_and_all_are_followed_into() {
    let workspace = Workspace::new()
        .package("one", "two = { path = \"../two\" }")
        .file("one/src/lib.rs", "#[orchestrator] async fn run(n: u8) { two::id(); }")
        .package("two", "")
        .file("two/src/lib.rs", &format!("pub fn id() {{ std::process::id(); }} // dacapo: allow(clock)\n{BAD}"));
    assert_eq!(
        workspace.found(),
        ["environment one/src/lib.rs:1 via id → std::process::id", "allow two/src/lib.rs:1", "environment two/src/lib.rs:2",]
    );
    let outcome = workspace.run(&["check", "-p", "one"]);
    assert!(outcome.out.ends_with("checked 1 orchestrator in 1 file of 1 package: 1 error\n"), "{}", outcome.out);
    assert!(workspace.run(&["check", "-p", "one", "-p", "two"]).out.contains("of 2 packages: 3 errors"));
    let unknown = workspace.run(&["check", "-p", "three"]);
    assert_eq!((unknown.code, unknown.err.as_str()), (Some(2), "error: the workspace has no package `three`; it has one, two\n"));
}

#[test]
fn the_help_says_what_the_check_cannot_see() {
    let help = Workspace::of("").run(&["check", "--help"]).out;
    for expected in
        ["trait objects", "generic types", "crates outside the workspace", "macros that cannot be opened", "cfg(test)"]
    {
        assert!(help.contains(expected), "{expected}");
    }
}

#[test]
fn every_rule_has_a_page() {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let list = run(folder.path(), &["explain"]);
    assert_eq!(list.code, Some(0));
    for rule in RULES {
        assert!(list.out.contains(&format!("  {} ", rule.name)), "{}", rule.name);
        let page = run(folder.path(), &["dacapo", "explain", rule.name]);
        assert_eq!(page.code, Some(0));
        for part in [rule.refuses, rule.why, rule.instead] {
            assert!(page.out.contains(part), "{part:?} in {}", page.out);
        }
        for code in [rule.bad, rule.good] {
            assert!(code.lines().all(|line| page.out.contains(line)), "{}", page.out);
        }
    }
    let unknown = run(folder.path(), &["explain", "clocks"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(2), ""));
    assert!(unknown.err.starts_with("error: there is no rule `clocks`\n"), "{}", unknown.err);
    assert!(unknown.err.contains("  await_in_loop "), "{}", unknown.err);
}

#[test]
fn the_bad_example_of_every_page_is_refused_and_the_good_one_is_not() {
    let mut workspace = Workspace::new().package("pages", "");
    let mut modules = String::new();
    // The compiler alone judges signatures.
    let rules: Vec<_> = RULES.iter().filter(|rule| rule.name != "signature").collect();
    for rule in &rules {
        for (kind, code) in [("bad", rule.bad), ("good", rule.good)] {
            modules.push_str(&format!("mod {}_{kind};\n", rule.name));
            workspace = workspace.file(&format!("pages/src/{}_{kind}.rs", rule.name), code);
        }
    }
    let found: Vec<String> = workspace
        .file("pages/src/lib.rs", &modules)
        .found()
        .iter()
        .filter_map(|found| found.split_once(':').map(|(found, _)| found.to_owned()))
        .collect();
    let mut expected: Vec<String> = rules.iter().map(|rule| format!("{0} pages/src/{0}_bad.rs", rule.name)).collect();
    expected.sort();
    assert_eq!(found, expected);
}
