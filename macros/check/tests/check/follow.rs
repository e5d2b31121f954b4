//! Calls are followed from file to file and from crate to crate.

use crate::fixture::Workspace;

const NONE: [&str; 0] = [];

#[test]
fn a_clean_workspace_is_clean() {
    let workspace = Workspace::new()
        .package("shop", "work = { path = \"../work\" }")
        .file("shop/src/lib.rs", "use work::charge; use work::total; mod late;")
        .file(
            "shop/src/late.rs",
            "#[dacapo::orchestrator]
            async fn checkout(prices: Vec<u64>) -> dacapo::Result<u64> {
                let total = work::total(&prices);
                let paid = futures::future::try_join_all(prices.into_iter().map(work::charge)).await?;
                Ok(total + paid.len() as u64)
            }",
        )
        .package("work", "")
        .file(
            "work/src/lib.rs",
            "pub fn total(prices: &[u64]) -> u64 { prices.iter().sum() }
            pub fn unused() { std::time::Instant::now(); }
            #[dacapo::activity]
            pub async fn charge(price: u64) -> dacapo::Result<u64> { Ok(price) }",
        );
    assert_eq!(workspace.found(), NONE);
    let outcome = workspace.run(&["check"]);
    assert_eq!(outcome.out, "checked 1 orchestrator in 3 files of 2 packages: 0 errors\n");
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}

/// `checkout` of `shop` calls `price_of` of `api`, which `api` re-exports from a module; that calls a method of a type of `rates`.
pub(crate) fn far_clock() -> Workspace {
    Workspace::new()
        .package("shop", "api = { path = \"../api\" }")
        .file("shop/src/lib.rs", "mod orders;")
        .file(
            "shop/src/orders.rs",
            "use api::prelude::*;

#[dacapo::orchestrator]
pub async fn checkout(item: String) -> dacapo::Result<u64> {
    let total = price_of(&item) + 1;
    Ok(total)
}
",
        )
        .package("api", "rates = { path = \"../rates\" }")
        .file("api/src/lib.rs", "mod pricing;\npub mod prelude { pub use crate::pricing::price as price_of; }")
        .file(
            "api/src/pricing.rs",
            "use rates::Table;

pub fn price(item: &str) -> u64 {
    let table = Table::new();
    table.cached_rate(item)
}
",
        )
        .package("rates", "")
        .file("rates/src/lib.rs", "mod table;\npub use table::Table;")
        .file(
            "rates/src/table.rs",
            "use std::time::SystemTime as Clock;
pub struct Table;
impl Table {
    pub fn new() -> Self { Self }
    pub fn cached_rate(&self, item: &str) -> u64 { self.age().len() as u64 }
    fn age(&self) -> String { format!(\"{:?}\", Clock::now()) }
}
",
        )
}

#[test]
fn a_clock_three_crates_away_is_reported_at_the_call() {
    let expected = "clock shop/src/orders.rs:5 via price → Table::cached_rate → Table::age → Clock::now";
    assert_eq!(far_clock().found(), [expected]);
}

#[test]
fn the_walk_stops_at_an_activity() {
    let workspace = Workspace::new()
        .package("shop", "work = { path = \"../work\" }")
        .file(
            "shop/src/lib.rs",
            "use work::{stamp, helped};
            #[dacapo::orchestrator]
            async fn run(names: Vec<String>) -> dacapo::Result<u64> {
                let at = helped().await?;
                futures::future::try_join_all(names.into_iter().map(stamp)).await?;
                Ok(at)
            }",
        )
        .package("work", "")
        .file(
            "work/src/lib.rs",
            "#[dacapo::activity]
            pub async fn stamp(name: String) -> dacapo::Result<u64> { read(); Ok(1) }
            fn read() { std::time::Instant::now(); }
            pub fn helped() -> dacapo::Activity<u64> { stamp(String::new()) }",
        );
    assert_eq!(workspace.found(), NONE);
}

#[test]
fn an_orchestrator_is_checked_for_itself_and_not_through_its_callers() {
    let workspace = Workspace::of(
        "mod part;
        #[orchestrator]
        async fn whole(n: u8) -> u8 { part::part(n).await }",
    )
    .file(
        "shop/src/part.rs",
        "#[orchestrator(inline)]
        pub async fn part(n: u8) -> u8 { crate::part::roll() }
        fn roll() -> u8 { rand::random() }",
    );
    assert_eq!(workspace.found(), ["random shop/src/part.rs:2 via roll → rand::random"]);
}

#[test]
fn every_rule_of_one_function_is_checked_too() {
    let workspace = Workspace::of("mod work;\nmod flow;")
        .file("shop/src/work.rs", "#[dacapo::activity]\npub async fn load(n: u64) -> u64 { n }")
        .file(
            "shop/src/flow.rs",
            "use crate::work::load;
#[dacapo::orchestrator]
async fn run(items: Vec<u64>) -> u64 {
    let mut all = Vec::new();
    for item in items {
        all.push(load(item).await);
    }
    load(1);
    let a = load(2);
    let b = load(3);
    a.await;
    b.await
}
",
        );
    assert_eq!(
        workspace.found(),
        ["await_in_loop shop/src/flow.rs:6", "unused_call shop/src/flow.rs:8", "await_one_by_one shop/src/flow.rs:12"]
    );
}

#[test]
fn crates_are_known_by_what_their_manifest_calls_them() {
    let workspace = Workspace::new()
        .package("shop", "tools = { path = \"../helper-kit\", package = \"helper-kit\" }\nclocks = { version = \"0.4\", package = \"chrono\" }")
        .file("shop/Cargo.toml.note", "")
        .file(
            "shop/src/lib.rs",
            "extern crate self as myself;
            use tools as t;
            pub fn own() { std::process::id(); }
            #[orchestrator]
            async fn run(n: u8) -> u8 { t::dice();
                clocks::Utc::now();
                ::tools::dice();
                myself::own(); 1 }",
        )
        .file("shop/src/main.rs", "fn main() {}\n#[orchestrator] async fn run(n: u8) { shop::own(); }")
        .file("shop/examples/show.rs", "use shop::own as it;\nfn main() {}\n#[orchestrator]\nasync fn run(n: u8) { it(); }")
        .package("helper-kit", "")
        .file("helper-kit/src/lib.rs", "pub fn dice() { rand::random::<u8>(); }");
    assert_eq!(
        workspace.found(),
        [
            "environment shop/examples/show.rs:4 via own → std::process::id",
            "random shop/src/lib.rs:5 via dice → rand::random",
            "clock shop/src/lib.rs:6",
            "random shop/src/lib.rs:7 via dice → rand::random",
            "environment shop/src/lib.rs:8 via own → std::process::id",
            "environment shop/src/main.rs:2 via own → std::process::id",
        ]
    );
}

#[test]
fn a_crate_of_the_workspace_is_not_the_public_one_of_that_name() {
    let workspace = Workspace::new()
        .package("shop", "rand = { path = \"../rand\" }\ntime = { path = \"../time\" }")
        .file(
            "shop/src/lib.rs",
            "use time::Instant; use rand::random as dice;
            #[orchestrator] async fn run(n: u8) -> u8 { rand::random(); dice(); Instant::now(); n }",
        )
        .package("rand", "")
        .file("rand/src/lib.rs", "pub fn random() -> u8 { 4 }")
        .package("time", "")
        .file("time/src/lib.rs", "pub struct Instant; impl Instant { pub fn now() -> Self { Self } }");
    assert_eq!(workspace.found(), NONE);
}

#[test]
fn what_a_re_export_of_another_file_means_is_refused() {
    let workspace = Workspace::of(
        "mod prelude; mod tools;
        use prelude::*;
        #[orchestrator]
        async fn run(n: u8) -> u8 {
            Clock::now();
            crate::tools::random();
            n }",
    )
    .file("shop/src/prelude.rs", "pub use std::time::SystemTime as Clock;\npub use crate::tools::*;")
    .file("shop/src/tools.rs", "pub use rand::*;\npub use rand::random;");
    assert_eq!(workspace.found(), ["clock shop/src/lib.rs:5", "random shop/src/lib.rs:6"]);
}

#[test]
fn statics_and_macros_of_other_crates_are_followed() {
    let workspace = Workspace::new()
        .package("shop", "base = { path = \"../base\" }")
        .file(
            "shop/src/lib.rs",
            "use base::RUNS;
            #[orchestrator]
            async fn run(n: u8) -> u8 {
                RUNS.fetch_add(1, base::Ordering::Relaxed);
                base::stamp!();
                n }",
        )
        .package("base", "")
        .file(
            "base/src/lib.rs",
            "use std::sync::atomic::AtomicU64; pub use std::sync::atomic::Ordering;
            pub static RUNS: AtomicU64 = AtomicU64::new(0);
            pub mod parts { #[macro_export] macro_rules! stamp { () => { $crate::read() }; } }
            pub fn read() { std::time::Instant::now(); }",
        );
    assert_eq!(
        workspace.found(),
        ["shared_state shop/src/lib.rs:4", "clock shop/src/lib.rs:5 via stamp! → read → std::time::Instant::now"]
    );
}

#[test]
fn the_attributes_are_known_under_other_names() {
    let workspace = Workspace::of(
        "mod work; mod names;
        use dacapo::orchestrator as workflow; use crate::names::flow;
        #[workflow] async fn one(n: u8) -> u8 { std::process::id(); work::load(n).await }
        #[flow] async fn two(n: u8) -> u8 { std::process::id(); work::load(n).await }",
    )
    .file("shop/src/names.rs", "pub use dacapo::{activity as task, orchestrator as flow};")
    .file("shop/src/work.rs", "use crate::names::*;\n#[task] pub async fn load(n: u8) -> u8 { std::process::id(); n }");
    assert_eq!(workspace.found(), ["environment shop/src/lib.rs:3", "environment shop/src/lib.rs:4"]);
}

#[test]
fn modules_that_import_each_other_whole_are_no_trap() {
    let names: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
    let all: String = names.iter().map(|name| format!("pub use crate::{name}::*;\n")).collect();
    let mut workspace = Workspace::of(&format!(
        "{}\nuse m0::*;\n#[orchestrator] async fn run(n: u8) {{ unknown(n); last(); }}",
        names.iter().map(|name| format!("mod {name};")).collect::<String>()
    ));
    for name in &names {
        let own = if name == "m11" { "pub fn last() { std::process::id(); }" } else { "" };
        workspace = workspace
            .file(&format!("shop/src/{name}.rs"), &format!("{all}{own}\npub fn {name}() {{ std::mem::take(&mut absent()); }}"));
    }
    assert_eq!(workspace.found(), ["environment shop/src/lib.rs:3 via last → std::process::id"]);
}

#[test]
fn functions_that_call_each_other_are_walked_once() {
    let workspace = Workspace::of(
        "mod even; mod odd;
        #[orchestrator] async fn run(n: u8) -> u8 { even::even(n); n }",
    )
    .file("shop/src/even.rs", "pub fn even(n: u8) { super::odd::odd(n) }")
    .file("shop/src/odd.rs", "pub fn odd(n: u8) { crate::even::even(n); std::process::id(); }");
    assert_eq!(workspace.found(), ["environment shop/src/lib.rs:2 via even → odd → std::process::id"]);
}
