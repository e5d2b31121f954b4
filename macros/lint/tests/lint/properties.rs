//! Properties: how a thing is imported, and how statements are grouped, never changes the verdict.

use crate::common::rules;
use proptest::prelude::*;

/// Refused and accepted items, each as a path that can be imported.
const ITEMS: &[(&str, &str, &[&str])] = &[
    ("std::time", "SystemTime", &["clock"]),
    ("chrono", "Utc", &["clock"]),
    ("my::clock", "SystemTime", &[]),
    ("crate::clock", "Instant", &[]),
    ("jiff", "Zoned", &["clock"]),
    ("std::path", "PathBuf", &[]),
];

/// Statements, each with the verdict on it.
const STATEMENTS: &[&str] = &[
    "let a = f(1).await;",
    "std::process::id();",
    "let mut total = 0; for id in ids.clone() { total += price(id).await; }",
    "let mut acc = 0; for id in ids.clone() { acc = combine(acc, id).await; }",
    "let m: std::collections::HashMap<u8, u8> = make(); for x in &m { drop(x); }",
    "let x = g(1); let y = g(2); let p = x.await; let q = y.await;",
    "for id in ids.clone() { if g(id).await { break; } }",
    "loop { dacapo::sleep(d).await; }",
    "let text = format!(\"{}\", uuid::Uuid::new_v4());",
    "let _kept = g(7); let z = g(8).await;",
    "let [x, y] = [g(1), g(2)]; let p = x.await; let q = y.await;",
    "let all: Vec<u8> = futures::stream::iter(ids.clone()).then(g).collect().await;",
    "let m: std::collections::HashMap<u8, u8> = make(); let mut n = 0; for (_, x) in &m { n += x; }",
    "let m: std::collections::HashMap<u8, u8> = make(); let text = format!(\"{m:?}\");",
    "for id in ids.clone() { let r = g(id).await; assert!(r > 0); }",
    "#[sequential] for id in ids.clone() { g(id).await; }",
];

fn name() -> impl Strategy<Value = String> {
    "[A-Z][a-z]{2,6}[0-9]"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_renamed_import_never_changes_the_verdict(item in 0..ITEMS.len(), alias in name(), form in 0..6) {
        let (module, name, expected) = ITEMS[item];
        let (outside, inside, call) = match form {
            0 => (String::new(), String::new(), format!("{module}::{name}")),
            1 => (format!("use {module}::{name} as {alias};"), String::new(), alias),
            2 => (String::new(), format!("use {module}::{name} as {alias};"), alias),
            3 => (format!("use {module} as {alias};"), String::new(), format!("{alias}::{name}")),
            4 => (format!("use {module}::{{{name} as {alias}, other}};"), String::new(), alias),
            _ => (format!("mod own {{ pub use {module}::{name} as {alias}; }} use own::*;"), String::new(), alias),
        };
        let text = format!("{outside}\n#[orchestrator] async fn run(n: u8) -> u8 {{ {inside} let t = {call}::now(); n }}");
        prop_assert_eq!(rules(&text), expected, "{}", text);
    }

    #[test]
    fn wrapping_statements_in_a_block_never_changes_the_verdict(
        chosen in proptest::collection::vec((0..STATEMENTS.len(), 0..4usize), 1..5),
    ) {
        let plain: Vec<String> = chosen.iter().map(|(at, _)| STATEMENTS[*at].to_owned()).collect();
        let wrapped: Vec<String> = chosen
            .iter()
            .map(|(at, depth)| format!("{}{}{}", "{ ".repeat(*depth), STATEMENTS[*at], " }".repeat(*depth)))
            .collect();
        let file = |body: Vec<String>| format!("#[orchestrator] async fn run(ids: Vec<u8>) {{ {} }}", body.join("\n"));
        prop_assert_eq!(rules(&file(plain)), rules(&file(wrapped)));
    }

    #[test]
    fn wrapping_the_inside_of_a_loop_never_changes_the_verdict(depth in 0..4usize, carried in any::<bool>()) {
        let call = if carried { "acc = f(acc, id).await;" } else { "acc += f(id).await;" };
        let body = format!("{}{call}{}", "{ ".repeat(depth), " }".repeat(depth));
        let text = format!("#[orchestrator] async fn run(ids: Vec<u8>) {{ let mut acc = 0; for id in ids {{ {body} }} }}");
        let expected: &[&str] = if carried { &[] } else { &["await_in_loop"] };
        prop_assert_eq!(rules(&text), expected);
    }

    #[test]
    fn a_renamed_variable_never_changes_the_verdict(first in "[a-z]{3,8}_a", second in "[a-z]{3,8}_b") {
        let text = |acc: &str, item: &str| format!("#[orchestrator] async fn run(ids: Vec<u8>) {{ let mut {acc} = 0; for {item} in ids {{ let {item} = {item} + 1; {acc} = f({acc}, {item}).await; g({item}).await; }} }}");
        prop_assert_eq!(rules(&text("acc", "id")), rules(&text(&first, &second)));
    }
}
