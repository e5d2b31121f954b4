//! How values, times and failures are shown.

use dacapo::{Client, Runtime};

use crate::{Counter, ODD_VALUES, Place, reads, tool, url, varied};

#[tokio::test(flavor = "multi_thread")]
async fn recorded_values_are_shown_as_they_are() -> dacapo::Result<()> {
    let place = Place::new().await;
    for (index, value) in ODD_VALUES.into_iter().enumerate() {
        let id = index.to_string();
        tool(&url(&place.folder), &["start", "waits", "-", "--id", &id], value).await;
        let text = place.text(&["history", &id]).await;
        assert!(text.contains(&format!("input {value}")), "{text}");
        let said = place.tool(&["history", &id, "--json"]).await;
        assert!(said.code == 0 && said.out.contains(&format!(r#""input": {value}"#)), "{said:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_in_a_history_is_told_from_what_it_spells() -> dacapo::Result<()> {
    let place = Place::new().await;
    for (id, value) in [("a", "5"), ("b", r#""5""#), ("c", "null"), ("d", r#""null""#)] {
        place.text(&["start", "waits", value, "--id", id]).await;
        let text = place.text(&["history", id]).await;
        assert!(text.contains("ExecutionStarted  waits") && text.contains(&format!("input {value}\n")), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn times_in_a_history_are_text() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.start(varied(1)).id("varied").await?;
    while place.runtime.wait("varied-child").await.is_err() {
        tokio::task::yield_now().await;
    }
    let turns = place.json(&["history", "varied"]).await;
    let events = turns.as_array().expect("turns").iter().flat_map(|turn| turn["events"].as_array().expect("events"));
    let times: Vec<_> = events.flat_map(|event| [&event["TimerCreated"]["fire_at"], &event["TaskFailed"]["retry_at"]]).collect();
    let times: Vec<_> = times.into_iter().filter(|time| !time.is_null()).map(|time| time.as_str().expect("text")).collect();
    assert_eq!((times.len(), times.iter().all(|time| time.ends_with('Z'))), (3, true), "{times:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failure_says_tells_a_terminal_nothing_and_json_everything() -> dacapo::Result<()> {
    let place = Place::new().await;
    let name = "\u{1b}]0;owned\u{7}\u{7f}\u{9b}31m";
    let input = serde_json::to_string(name)?;
    let said = place.tool(&["--color", "always", "start", "reads", &input, "--id", "reads", "--wait"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    let coloured = place.tool(&["--color", "always", "show", "reads"]).await;
    for text in [&said.err, &coloured.out] {
        assert!(text.contains(r"\u{1b}]0;owned\u{7}\u{7f}\u{9b}31m"), "{text:?}");
        let rest = text.replace("\u{1b}[", "");
        assert!(!rest.chars().any(|char| char.is_control() && char != '\n'), "{text:?}");
    }
    let shown = place.json(&["show", "reads"]).await;
    assert_eq!(shown["input"], name);
    assert!(shown["failure"]["message"].as_str().is_some_and(|message| message.contains(name)), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_its_causes() -> dacapo::Result<()> {
    let place = Place::new().await;
    let (code, said) = place.refused(&["start", "sum", r#"{"a":"one"}"#, "--id", "one", "--wait"]).await;
    assert!(code == 3 && said.contains("the input of `sum` cannot be read: ") && said.contains("invalid type"), "{said}");
    assert!(place.text(&["show", "one"]).await.contains("invalid type"));
    assert!(place.tool(&["wait", "one"]).await.out.contains("cannot be read: "));
    Ok(())
}

/// The sealed store of `tests/golden`, of whose codec this tool knows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_encrypted_is_said_to_be() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/v1/sealed.db");
    std::fs::copy(golden, folder.path().join("test.db"))?;
    drop(dacapo::store::SqliteStore::open(folder.path().join("test.db"), dacapo::store::Synchronous::Normal).await?);
    let said = async |arguments: &[&str]| {
        let said = crate::tool(&crate::url(&folder), arguments, "").await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!said.out.contains("dacapo:sealed"), "{arguments:?}: {said:?}");
        said.out
    };
    let shown = said(&["show", "finished"]).await;
    for title in ["input", "output", "custom status"] {
        let is_told = |line: &str| line.trim_start().starts_with(title) && line.ends_with("encrypted, not readable here");
        assert!(shown.lines().any(is_told), "{title} in {shown}");
    }
    let shown = said(&["show", "failed"]).await;
    assert!(shown.lines().any(|line| line.contains("failure") && line.contains("encrypted, not readable here")), "{shown}");
    assert!(said(&["show", "@tally@counted"]).await.contains("encrypted, not readable here"));
    assert!(said(&["show", "finished", "--json"]).await.contains("\"encrypted\""));
    let picture = folder.path().join("failed.svg");
    let shown: serde_json::Value =
        serde_json::from_str(&said(&["show", "failed", "--json", "--svg", &picture.display().to_string()]).await)?;
    assert_eq!(shown["failure"]["payload"], "encrypted, not readable here", "{shown}");
    assert!(!std::fs::read_to_string(picture)?.contains("dacapo:sealed"));
    assert!(said(&["export"]).await.contains(r#""payload":"encrypted, not readable here""#));
    for id in ["finished", "failed", "eternal", "counts"] {
        assert!(said(&["history", id]).await.contains("encrypted, not readable here"), "{id}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_key_opens_is_shown_closed() -> dacapo::Result<()> {
    struct Mask;
    impl dacapo::Codec for Mask {
        fn encode(&self, plain: &[u8]) -> Vec<u8> {
            plain.iter().map(|byte| byte ^ 0xa5).collect()
        }
        fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
            Ok(encoded.iter().map(|byte| byte ^ 0xa5).collect())
        }
    }
    let folder = tempfile::tempdir()?;
    let payloads = dacapo::Payloads::default().codec(Mask);
    let runtime = Runtime::builder(url(&folder)).payloads(payloads).open().await?;
    runtime.start(reads("a secret path".into())).id("secret").await?.result().await.expect_err("the file is not there");
    runtime.call(Counter::at("secret").add(77_077)).await?;
    let place = Place { folder, runtime };
    let text = place.text(&["show", "@counter@secret"]).await;
    assert!(text.contains("counter v1  Running") && !text.contains("77077"), "{text}");
    for command in ["show", "history"] {
        let text = place.text(&[command, "secret"]).await;
        assert!(text.contains("needs") && !text.contains("a secret path"), "{command}: {text}");
    }
    assert!(Client::connect(&url(&place.folder)).await?.status("secret").await?.input().is_none());
    Ok(())
}
