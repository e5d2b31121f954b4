//! Comments that silence a rule on a line.

use crate::fixture::Workspace;

const NONE: [&str; 0] = [];

/// What is found where `line` is the fourth line of the file, in the body of an orchestrator; line 5 is empty.
fn found(line: &str) -> Vec<String> {
    Workspace::of(&format!("use std::time::Instant;\n#[orchestrator]\nasync fn run(n: u8) -> u8 {{\n{line}\n\nn }}")).found()
}

#[test]
fn a_comment_with_a_reason_silences_its_line() {
    for line in [
        "Instant::now(); // dacapo: allow(clock) only printed",
        "Instant::now(); // dacapo: allow(clock): only printed",
        "Instant::now(); //dacapo:allow( clock ) only printed",
        "// dacapo: allow(clock) only printed\nInstant::now();",
        "// dacapo: allow(clock) only printed\n// and never compared\n\nInstant::now();",
        "// dacapo: allow(clock) only printed\n// dacapo: allow(environment) so is this\nInstant::now().max(std::process::id());",
        "Instant::now().max(std::process::id()); // dacapo: allow(clock, environment) only printed",
    ] {
        assert_eq!(found(line), NONE, "{line}");
    }
}

#[test]
fn it_silences_no_other_line_and_no_other_rule() {
    assert_eq!(found("Instant::now(); // dacapo: allow(clock) only printed\nInstant::now();"), ["clock shop/src/lib.rs:5"]);
    assert_eq!(
        found("// dacapo: allow(random) only printed\nInstant::now();"),
        ["allow shop/src/lib.rs:4", "clock shop/src/lib.rs:5"]
    );
}

#[test]
fn without_a_reason_it_is_an_error_and_silences_nothing() {
    for line in [
        "allow(clock)",
        "allow(clock) —",
        "allow",
        "allow clock because",
        "allow() because",
        "allow(clocks) because",
        "allow(clock",
    ] {
        let line = format!("Instant::now(); // dacapo: {line}");
        assert_eq!(found(&line), ["clock shop/src/lib.rs:4", "allow shop/src/lib.rs:4"], "{line}");
    }
    let unknown = Workspace::of("fn f() {} // dacapo: allow(clocks) because").run(&["check"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.out.contains("error[allow]: there is no rule `clocks`"), "{}", unknown.out);
    assert!(unknown.out.contains("the rules are clock, identity, "), "{}", unknown.out);
}

#[test]
fn one_that_silences_nothing_is_a_warning() {
    let workspace = Workspace::of("fn f() {\n    // dacapo: allow(clock) for nothing\n    g();\n}");
    let outcome = workspace.run(&["check"]);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.out.contains("warning[allow]: `allow(clock)` silences nothing on line 3"), "{}", outcome.out);
    assert!(outcome.out.ends_with("0 errors, 1 warning\n"), "{}", outcome.out);
}

#[test]
fn only_comments_count() {
    for line in [
        "let s = \"// dacapo: allow(clock) text\";",
        "let s = r#\"\n// dacapo: allow(clock)\n\"#;",
        "/// dacapo: allow(clock)\nfn inner() {}",
        "// dacapo: the clock is not read here",
        "// allow(clock) of another tool",
    ] {
        assert_eq!(found(line), NONE, "{line}");
    }
}

#[test]
fn a_line_of_a_helper_can_be_silenced() {
    let workspace = |place: &str, call: &str| {
        Workspace::of("mod a; mod b;\n#[orchestrator] async fn run(n: u8) {\na::first();\n}")
            .file("shop/src/a.rs", &format!("pub fn first() {{\ncrate::b::second(); {call}\n}}"))
            .file("shop/src/b.rs", &format!("pub fn second() {{\nstd::process::id(); {place}\nstd::time::Instant::now();\n}}"))
            .found()
    };
    let clock = "clock shop/src/lib.rs:3 via first → second → std::time::Instant::now";
    let comment = "// dacapo: allow(environment) the process is the same";
    assert_eq!(workspace("", "").len(), 2);
    assert_eq!(workspace(comment, ""), [clock]);
    assert_eq!(workspace("", comment), [clock]);
}

#[test]
fn another_way_to_the_same_function_is_not_silenced() {
    let workspace = Workspace::of("mod a;\n#[orchestrator] async fn run(n: u8) {\na::first();\n}").file(
        "shop/src/a.rs",
        "pub fn first() {
            last(); // dacapo: allow(environment) the process is the same
            second();
        }
        fn second() { last() }
        fn last() { std::process::id(); }",
    );
    assert_eq!(workspace.found(), ["environment shop/src/lib.rs:3 via first → second → last → std::process::id"]);
}

#[test]
fn the_attribute_silences_its_orchestrator() {
    let workspace = Workspace::of(
        "mod a; use a::id;
        #[orchestrator(name = \"x\", allow(environment, reason = \"the process is the same\"), allow(clock, reason = \"shown\"))]
        async fn one(n: u8) { id(); std::process::id(); std::time::Instant::now(); }
        #[orchestrator(allow(clock, reason = \" \"), allow(environment))]
        async fn two(n: u8) { id(); std::time::Instant::now(); }",
    )
    .file("shop/src/a.rs", "pub fn id() { std::process::id(); }");
    assert_eq!(workspace.found(), ["environment shop/src/lib.rs:5 via id → std::process::id", "clock shop/src/lib.rs:5"]);
}
