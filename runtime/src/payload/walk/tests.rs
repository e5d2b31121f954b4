//! The walk against the recursive one that made the digests of existing stores.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;

use super::canonical;

/// The canonical form as it was first written down in stores. It recurses, and reads every level again.
fn recursive(text: &str, to: &mut String) {
    if text.starts_with('{')
        && let Ok(object) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text)
    {
        to.push('{');
        for (key, value) in object {
            let _ = write!(to, "{}:{key}:", key.len());
            recursive(value.get(), to);
            to.push(',');
        }
        to.push('}');
    } else if text.starts_with('[')
        && let Ok(array) = serde_json::from_str::<Vec<&RawValue>>(text)
    {
        to.push('[');
        for value in array {
            recursive(value.get(), to);
            to.push(',');
        }
        to.push(']');
    } else {
        to.push_str(text);
    }
}

const SPACES: [&str; 6] = ["", "", "", " ", "\n\t", "\r\n  "];
const STRINGS: [&str; 15] = [
    r#""""#,
    r#""a""#,
    r#""b""#,
    r#""\u0061""#,
    r#""ab""#,
    r#""{\"a\":[1]}""#,
    r#""\\""#,
    r#""\\\"""#,
    r#""\ud800""#,
    r#""\u0000""#,
    r#""ä𝄞""#,
    r#""\ud834\udd1e""#,
    r#""],[""#,
    r#"":,""#,
    r#""\/""#,
];
const SCALARS: [&str; 10] =
    ["null", "true", "false", "0", "-0.0", "1e400", "12345678901234567890123", "-1.5E-3", "\"text\"", "1E+2"];

fn pick<'a>(rng: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[rng.random_range(0..from.len())]
}

fn write_value(rng: &mut StdRng, depth: usize, to: &mut String) {
    let kind = if depth == 0 { 0 } else { rng.random_range(0..4) };
    let (open, close) = match kind {
        0 => return to.push_str(pick(rng, &SCALARS)),
        1 => return to.push_str(pick(rng, &STRINGS)),
        2 => ('[', ']'),
        _ => ('{', '}'),
    };
    to.push(open);
    to.push_str(pick(rng, &SPACES));
    for index in 0..rng.random_range(0..5) {
        if index > 0 {
            to.push(',');
            to.push_str(pick(rng, &SPACES));
        }
        if open == '{' {
            to.push_str(pick(rng, &STRINGS));
            let space = pick(rng, &SPACES);
            let _ = write!(to, "{space}:{space}");
        }
        write_value(rng, depth - 1, to);
        to.push_str(pick(rng, &SPACES));
    }
    to.push(close);
}

#[test]
fn the_canonical_form_is_the_one_that_existing_stores_have() {
    let mut rng = StdRng::seed_from_u64(13);
    for _ in 0..20_000 {
        let mut text = String::new();
        let depth = rng.random_range(0..6);
        write_value(&mut rng, depth, &mut text);
        let mut expected = String::new();
        recursive(&text, &mut expected);
        assert_eq!(canonical(&text), expected, "{text}");
    }
}

#[test]
fn a_text_that_is_not_json_causes_no_panic() {
    let mut rng = StdRng::seed_from_u64(14);
    let mut text = String::new();
    for _ in 0..20_000 {
        text.clear();
        write_value(&mut rng, 3, &mut text);
        let cut = (0..text.len()).filter(|at| text.is_char_boundary(*at)).collect::<Vec<_>>();
        for _ in 0..cut.len().min(2) {
            let _ = canonical(&text[..cut[rng.random_range(0..cut.len())]]);
            let _ = canonical(&text[cut[rng.random_range(0..cut.len())]..]);
        }
    }
}

#[test]
fn depth_costs_neither_stack_nor_more_than_linear_time() {
    const DEPTH: usize = 200_000;
    let objects = format!("{}1{}", r#"{"b":0,"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    let expected = format!("{}1{}", "{1:a:".repeat(DEPTH), ",1:b:0,}".repeat(DEPTH));
    assert!(canonical(&objects) == expected);
    let arrays = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    assert_eq!(canonical(&arrays).len(), 3 * DEPTH - 1);
}
