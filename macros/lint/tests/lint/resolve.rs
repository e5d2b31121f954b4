//! Names are recognised by their whole path: imports, aliases, globs, re-exports, shadowing.

use crate::common::rules;
use dacapo_lint::{Options, Source, check};

const CLOCK: [&str; 1] = ["clock"];
const NONE: [&str; 0] = [];

fn file(uses: &str, body: &str) -> String {
    format!("{uses}\n#[orchestrator]\nasync fn run(name: String) -> u64 {{ {body} 1 }}\n")
}

#[test]
fn imports_are_followed() {
    for (uses, body) in [
        ("use std::time::SystemTime as Clock;", "Clock::now();"),
        ("use std::time::*;", "SystemTime::now();"),
        ("use std::{time::{self, Duration}, fmt};", "time::SystemTime::now();"),
        ("use std as base;", "base::time::Instant::now();"),
        ("use chrono as c;", "c::Utc::now();"),
        ("use chrono::{offset::Utc};", "Utc::now();"),
        ("extern crate chrono as c;", "c::Utc::now();"),
        ("type Clock = std::time::SystemTime;", "Clock::now();"),
        ("", "use std::time::SystemTime as T; T::now();"),
        ("", "{ use std::time::*; Instant::now(); }"),
        ("mod inner { pub use std::time::SystemTime; }", "inner::SystemTime::now();"),
        ("mod inner { pub use std::time::SystemTime as T; } use inner::T as U;", "U::now();"),
        ("mod inner { pub use std::time::SystemTime; } use crate::inner::*;", "SystemTime::now();"),
        ("mod inner { pub use std::time::SystemTime; } use self::inner::SystemTime;", "SystemTime::now();"),
        ("use ::std::time::SystemTime;", "SystemTime::now();"),
        ("use core::time::Duration; use std::time;", "let f = time::SystemTime::now; f();"),
    ] {
        assert_eq!(rules(&file(uses, body)), CLOCK, "{uses} {body}");
    }
}

#[test]
fn a_name_of_ones_own_is_no_false_alarm() {
    for (uses, body) in [
        (
            "mod std { pub mod time { pub struct SystemTime; impl SystemTime { pub fn now() {} } } }",
            "crate::std::time::SystemTime::now();",
        ),
        ("struct SystemTime; impl SystemTime { fn now() {} }", "SystemTime::now();"),
        ("use crate::testing::SystemTime;", "SystemTime::now();"),
        ("use std::time::SystemTime;", "struct SystemTime; impl SystemTime { fn now() {} } SystemTime::now();"),
        ("use std::time::SystemTime;", "{ use crate::fake::SystemTime; SystemTime::now(); }"),
        ("use rand::random;", "let random = || 4; random();"),
        ("use rand::random;", "fn random() -> u8 { 4 } random();"),
        ("use rand::random;", "for random in [|| 1] { random(); }"),
        ("use rand::random;", "[1].iter().map(|random| random);"),
        ("use rand::random;", "match f { Some(random) => random(), None => 1 };"),
        ("use std::time::*; mod my { pub struct SystemTime; } use my::SystemTime;", "SystemTime::now();"),
        ("mod rand { pub fn random() {} }", "rand::random();"),
        ("", "Instant::now(); SystemTime::now();"),
        ("use a::b as c; use c::d as b;", "b::x(); c::y();"),
        ("use self::x as y; use self::y as x;", "x(); y::z();"),
    ] {
        assert_eq!(rules(&file(uses, body)), NONE, "{uses} {body}");
    }
}

#[test]
fn shadowing_ends_with_its_block() {
    assert_eq!(rules(&file("use rand::random;", "{ let random = || 4; random(); } random::<u8>();")), ["random"]);
    assert_eq!(rules(&file("use rand::random;", "random::<u8>(); let random = || 4; random();")), ["random"]);
    assert_eq!(rules(&file("use rand::random;", "let random = random::<u8>(); drop(random);")), ["random"]);
}

#[test]
fn an_orchestrator_in_a_module_sees_the_modules_names() {
    let text = "use std::time::Duration;
mod orders {
    use super::tools::{self, stamp};
    use crate::tools::Shop;
    #[orchestrator]
    async fn run(n: u64) -> u64 { stamp(); tools::stamp(); super::tools::stamp(); Shop::open(); 1 }
}
mod tools {
    use std::time::Instant;
    pub fn stamp() { Instant::now(); }
    pub struct Shop; impl Shop { pub fn open() { Self::key() } fn key() { stamp() } }
}";
    assert_eq!(rules(text), ["clock"; 4]);
}

#[test]
fn crate_paths_of_a_file_that_is_a_module_are_followed() {
    let text = "use crate::orders::price; fn price() { std::process::id(); }\n#[orchestrator] async fn run(n: u8) -> u8 { price(); crate::orders::price(); self::price(); n }";
    let source = Source::parse_file(text, "/home/me/shop/src/orders.rs".as_ref()).expect("the text is Rust");
    let found = check(&crate::common::orchestrator(text), Some(&source), &Options::new());
    assert_eq!(found.len(), 3);
    assert!(found[0].message.contains("price → std::process::id at orders.rs:1"), "{}", found[0].message);
}

#[test]
fn a_macro_is_what_the_file_imports_or_declares() {
    let text = "use tracing::warn; use log as l; use crate::own::info; macro_rules! debug { () => {} }
        mod inner { use tracing::debug; #[orchestrator] async fn run() {} }
        #[orchestrator] async fn walk() {}";
    let source = Source::parse(text).expect("the text is Rust");
    let path = |function: &str, path: &str| source.macro_path(function, &syn::parse_str(path).expect("a path")).join("::");
    for (written, expected) in [
        ("warn", "tracing::warn"),
        ("l::info", "log::info"),
        ("info", "crate::own::info"),
        ("debug", "crate::debug"),
        ("println", "println"),
    ] {
        assert_eq!(path("walk", written), expected);
    }
    assert_eq!(path("run", "debug"), "tracing::debug");
}

#[test]
fn without_a_source_the_function_itself_is_what_is_seen() {
    let text =
        file("use std::time::SystemTime;", "SystemTime::now(); std::time::Instant::now(); { use chrono::Utc; Utc::now(); }");
    let found = check(&crate::common::orchestrator(&text), None, &Options::new());
    assert_eq!(found.len(), 2);
}

#[test]
fn a_text_that_is_not_rust_is_an_error() {
    assert!(Source::parse("fn {").is_err());
}
