//! What the attributes accept, and what a user reads when they refuse.

use std::process::Command;

/// The compiler whose own words stand in `types/fail/*.stderr`.
const WORDING: &str = "rustc 1.95.";

#[test]
fn accepted_code_compiles() {
    trybuild::TestCases::new().pass("types/pass/*.rs");
}

#[test]
fn each_mistake_is_explained_at_its_token() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout);
    if version.starts_with(WORDING) {
        trybuild::TestCases::new().compile_fail("types/fail/*.rs");
    } else {
        println!("skipped: the expected messages are those of {WORDING}x, and this is {version}");
    }
}
