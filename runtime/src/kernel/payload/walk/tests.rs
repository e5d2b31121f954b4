//! The walk against the recursive one that made the digests of existing stores.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;

use super::{canonical, unordered};

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

/// A value, and the same with the values of its arrays and the keys of its objects in another order.
fn write_shuffled(rng: &mut StdRng, depth: usize) -> (String, String) {
    let kind = if depth == 0 { 0 } else { rng.random_range(0..3) };
    if kind == 0 {
        let from: &[_] = if rng.random() { &SCALARS } else { &STRINGS };
        let text = pick(rng, from);
        return (text.to_owned(), text.to_owned());
    }
    let mut values: Vec<_> = (0..rng.random_range(0..5)).map(|_| write_shuffled(rng, depth - 1)).collect();
    if kind == 2 {
        for (index, (one, other)) in values.iter_mut().enumerate() {
            for text in [one, other] {
                text.insert_str(0, &format!(r#""key {index}":"#));
            }
        }
    }
    let one: Vec<_> = values.iter().map(|(one, _)| one.clone()).collect();
    let mut other: Vec<_> = values.into_iter().map(|(_, other)| other).collect();
    for index in (1..other.len()).rev() {
        other.swap(index, rng.random_range(0..=index));
    }
    let (open, close) = if kind == 1 { ('[', ']') } else { ('{', '}') };
    (format!("{open}{}{close}", one.join(",")), format!("{open}{}{close}", other.join(",")))
}

#[test]
fn the_order_of_values_says_nothing_to_an_unordered_digest_and_everything_else_does() {
    let mut rng = StdRng::seed_from_u64(15);
    let mut digests = BTreeMap::new();
    for _ in 0..5_000 {
        let depth = rng.random_range(0..5);
        let (one, other) = write_shuffled(&mut rng, depth);
        assert_eq!(unordered(&one), unordered(&other), "{one} {other}");
        let mut sorted = one.clone().into_bytes();
        sorted.sort_unstable();
        // Two texts with one digest have the same characters.
        let known = digests.entry(unordered(&one)).or_insert_with(|| sorted.clone());
        assert_eq!(*known, sorted, "{one}");
    }
    for (one, other) in [
        ("[1,1,2]", "[1,2,2]"),
        ("[[1],[2]]", "[[1,2],[]]"),
        ("[[1,2],[3]]", "[[1,3],[2]]"),
        (r#"{"a":[1],"b":[2]}"#, r#"{"a":[2],"b":[1]}"#),
        (r#"[{"a":1,"b":2}]"#, r#"[{"a":2,"b":1}]"#),
        (r#"{"a":"b"}"#, r#"["a","b"]"#),
        ("[]", "{}"),
        (r#"["[]"]"#, "[[]]"),
    ] {
        assert_ne!(unordered(one), unordered(other), "{one} {other}");
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
            let _ = unordered(&text[..cut[rng.random_range(0..cut.len())]]);
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
    assert_ne!(unordered(&objects), unordered(&arrays));
}
