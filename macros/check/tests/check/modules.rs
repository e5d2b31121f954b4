//! Which files and which items are read.

use crate::fixture::Workspace;

const CLOCK: &str = "pub fn read() { std::time::Instant::now(); }";

#[test]
fn every_layout_of_modules_is_read() {
    let workspace = Workspace::of(
        "mod plain; mod folder; #[path = \"odd/place.rs\"] mod named;
        mod inline { pub mod below; #[path = \"other.rs\"] pub mod named; pub mod here { pub fn read() { std::time::Instant::now(); } } }
        #[cfg_attr(unix, path = \"sys/unix.rs\")] #[cfg_attr(windows, path = \"sys/windows.rs\")] mod sys;
        #[cfg(feature = \"never\")] mod absent;
        #[orchestrator] async fn run(n: u8) {
            plain::read();
            plain::child::read();
            folder::read();
            folder::child::read();
            named::read();
            named::sibling::read();
            inline::below::read();
            inline::named::read();
            inline::here::read();
            sys::one();
            sys::other();
        }",
    )
    .file("shop/src/plain.rs", &format!("pub mod child; {CLOCK}"))
    .file("shop/src/plain/child.rs", CLOCK)
    .file("shop/src/folder/mod.rs", &format!("pub mod child; {CLOCK}"))
    .file("shop/src/folder/child/mod.rs", CLOCK)
    .file("shop/src/odd/place.rs", &format!("pub mod sibling; {CLOCK}"))
    .file("shop/src/odd/sibling.rs", CLOCK)
    .file("shop/src/inline/below.rs", CLOCK)
    .file("shop/src/inline/other.rs", CLOCK)
    .file("shop/src/sys/unix.rs", "pub fn one() { std::time::Instant::now(); }")
    .file("shop/src/sys/windows.rs", "pub fn other() { std::time::Instant::now(); }");
    let lines: Vec<u64> = workspace.findings().iter().filter_map(|finding| finding["at"]["line"].as_u64()).collect();
    assert_eq!(lines, (6..=16).collect::<Vec<u64>>());
}

#[test]
fn what_only_tests_compile_is_skipped() {
    let workspace = Workspace::of(
        "mod time_source;
        #[cfg(test)] mod tests;
        #[cfg(all(test, unix))] fn helper() { std::process::id(); }
        #[cfg(not(test))] fn real() { rand::random::<u8>(); }
        #[cfg(test)] mod inner { #[orchestrator] async fn run(n: u8) { std::process::id(); } }
        #[test] fn works() { #[orchestrator] async fn run(n: u8) { std::process::id(); } }
        #[orchestrator] async fn run(n: u8) {
            time_source::now(); helper();
            real();
            #[cfg(test)] let id = std::process::id();
        }",
    )
    .file("shop/src/tests.rs", "#[orchestrator] async fn run(n: u8) { std::process::id(); }")
    .file(
        "shop/src/time_source.rs",
        "#[cfg(test)] pub fn now() { std::time::Instant::now(); }\n#[cfg(not(test))] pub fn now() -> u8 { 0 }",
    )
    .file("shop/tests/whole.rs", "#[orchestrator] async fn run(n: u8) { std::process::id(); }");
    assert_eq!(workspace.found(), ["random shop/src/lib.rs:9 via real → rand::random"]);
}

#[test]
fn every_configuration_of_a_function_is_followed() {
    let workspace = Workspace::of(
        "#[cfg(unix)] fn id() -> u32 { std::process::id() }
        #[cfg(not(unix))] fn id() -> u32 { rand::random() }
        #[orchestrator] async fn run(n: u8) { id(); }",
    );
    assert_eq!(
        workspace.found(),
        ["environment shop/src/lib.rs:3 via id → std::process::id", "random shop/src/lib.rs:3 via id → rand::random"]
    );
}

#[test]
fn a_file_of_two_targets_is_reported_once() {
    let workspace = Workspace::of("mod flow;")
        .file("shop/src/main.rs", "mod flow; fn main() {}")
        .file("shop/src/flow.rs", "#[orchestrator] async fn run(n: u8) { std::process::id(); }");
    assert_eq!(workspace.found(), ["environment shop/src/flow.rs:1"]);
    assert!(workspace.run(&["check"]).out.contains("checked 1 orchestrator in 3 files of 1 package:"));
}

#[test]
fn positions_are_those_of_the_file() {
    let text = "\u{feff}// Ünï\r\n\r\n#[orchestrator] async fn run(n: u8) { let ä = 1; std::process::id(); }\r\n";
    let at = &Workspace::of(text).findings()[0]["at"];
    assert_eq!((&at["line"], &at["column"], &at["end_column"]), (&3.into(), &64.into(), &66.into()));
    let script = "#!/usr/bin/env run\n#[orchestrator] async fn run(n: u8) { std::process::id(); }";
    assert_eq!(Workspace::of(script).findings()[0]["at"]["column"], 53);
}

#[test]
fn a_module_that_declares_itself_is_read_once() {
    let workspace = Workspace::of("#[path = \"lib.rs\"] mod again;\n#[orchestrator] async fn run(n: u8) { std::process::id(); }");
    assert_eq!(workspace.found(), ["environment shop/src/lib.rs:2"]);
}
