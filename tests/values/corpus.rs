//! Odd JSON through every door: each answers an error, or gives back what it was given.

use std::time::Duration;

use dacapo::{Event, Payload, Runtime, activity, entity, orchestrator};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::nested;

const VALUE: Event<Payload> = Event::new("value");

#[activity]
async fn same(value: Payload) -> Payload {
    value
}

#[orchestrator]
async fn child(value: Payload) -> Payload {
    dacapo::set_custom_status(&value);
    dacapo::side_effect(|| value)
}

#[derive(Default, Serialize, Deserialize)]
struct Place {
    value: Option<Payload>,
}

#[entity]
impl Place {
    fn put(&mut self, value: Payload) -> Payload {
        self.value = Some(value.clone());
        value
    }
}

/// Takes a value through an event and then through every kind of call.
#[orchestrator]
async fn everywhere(value: Payload) -> (Payload, Payload) {
    let raised = VALUE.wait().await;
    let value = Place::at("corpus").put(child(same(value).await).await).await;
    (value, raised)
}

fn corpus() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "null",
        "nul",
        "NaN",
        "Infinity",
        "-",
        "-0",
        "-0.0",
        "1e400",
        "-1e400",
        "1e-400",
        "1E+2",
        "01",
        "1.",
        ".5",
        "18446744073709551616",
        "-9223372036854775809",
        "12345678901234567890.123456789012345678901",
        "\"\"",
        "\"",
        "\"\\u0000\"",
        "\"\u{0}\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\u{feff}1",
        "\u{feff}{}",
        "[]",
        "[",
        "]",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1},\"a\":[{}]}",
        "{\"\\u0061\":1,\"a\":2}",
        "{\"\\ud800\":1}",
        "{\"\":{\"\":{}}}",
        "{\"dacapo:sealed\":1}",
        "{ \"dacapo:sealed\":1}",
        "{\"dacapo:sealed\":{\"content\":\"00\"}}",
        "{\"$serde_json::private::RawValue\":\"[\"}",
        "{\"$serde_json::private::Number\":\"1\"}",
        "1 2",
        "[] []",
        "// no\n1",
        "'a'",
        "\u{2028}",
        "tru\u{0}e",
        "[\"]\",\"[\"]",
        "[[],{},[{}]]",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([1, 99, 100, 101, 127, 128, 129, 1_000, 1_001, 40_000].map(nested));
    texts.extend([100, 101, 15_000].map(|levels| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))));
    texts.extend([50_000, 80_000].map(|open| "[".repeat(open)));
    texts.push(format!("[{}]", "9".repeat(50_000)));
    texts.push(format!("\"{}\"", "\\u0000".repeat(20_000)));
    texts
}

/// Cuts, doubles, swaps and replaces parts of a text.
fn mutated(rng: &mut StdRng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().take(300).collect();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=chars.len());
        match rng.random_range(0..4) {
            0 => chars.truncate(at),
            1 => chars.insert(
                at,
                ['[', ']', '{', '}', '"', '\\', ',', ':', '0', 'e', '-', ' ', 'u', '\u{feff}', '\u{0}'][rng.random_range(0..15)],
            ),
            2 if at < chars.len() => drop(chars.remove(at)),
            _ => {
                let part: Vec<char> = chars[..at].to_vec();
                chars.extend(part);
            }
        }
    }
    chars.into_iter().collect()
}

fn all_texts(mutations: usize) -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(20_261_128);
    let corpus = corpus();
    let more = (0..mutations).map(|_| {
        let text = &corpus[rng.random_range(0..corpus.len())];
        mutated(&mut rng, text)
    });
    let more: Vec<_> = more.collect();
    corpus.into_iter().chain(more).collect()
}

#[test]
fn text_is_refused_or_kept_as_it_is() {
    for text in all_texts(50_000) {
        let Ok(payload) = Payload::from_json(text.clone()) else { continue };
        let shown = || text.chars().take(200).collect::<String>();
        // A value that begins as an envelope does gets a space.
        let kept = text.trim().replacen("{\"dacapo:sealed\":", "{ \"dacapo:sealed\":", 1);
        assert!(
            payload.as_str() == text.trim() || text.trim().starts_with("{\"dacapo:") && payload.as_str() == kept,
            "{}",
            shown()
        );
        assert!(payload == payload.clone());
        let again = Payload::encode(&payload).unwrap_or_else(|failure| panic!("{}: {failure}", shown()));
        assert!(again == payload);
        if let Ok(value) = payload.decode::<Value>() {
            let encoded = Payload::encode(&value).expect("a value that was read can be written");
            assert!(encoded.decode::<Value>().expect("and read again") == value, "{}", shown());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_answers_an_error_or_gives_the_value_back() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(&format!("sqlite:{}", folder.path().join("test.db").display())).await?;
    let mut accepted = 0;
    for text in all_texts(150) {
        let shown = text.chars().take(100).collect::<String>();
        let Ok(value) = Payload::from_json(text) else { continue };
        let whole = async {
            let run = runtime.start_named("everywhere", value.clone()).await?;
            runtime.raise_named(run.id(), "value", value.clone()).await?;
            runtime.wait(run.id()).await
        };
        let status = tokio::time::timeout(Duration::from_secs(60), whole).await.unwrap_or_else(|_| panic!("it hangs: {shown}"));
        let status = status.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let Some(output) = status.output() else {
            // Too long for a custom status; or the state of the entity would hold `Some(null)`, or be one level deeper than its value.
            let failure = status.failure().expect("it failed");
            let said = failure.causes().join(" ");
            assert!(["Some(null)", "101 levels", "custom status"].iter().any(|why| said.contains(why)), "{shown}: {failure:?}");
            continue;
        };
        let (through, raised): (Payload, Payload) = output.decode()?;
        assert!(through == value && raised == value, "{shown}");
        accepted += 1;
    }
    assert!(accepted > 40, "{accepted} values went through");
    runtime.shutdown().await?;
    Ok(())
}
