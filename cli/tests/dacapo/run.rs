//! `start`, `raise`, `wait`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use dacapo::{Runtime, Status};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::wait::reported;
use crate::{Counter, Place, TOOL, sum, tool, url, waits};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_signalled_and_waited_for() -> dacapo::Result<()> {
    let place = Place::new().await;
    assert_eq!(place.text(&["start", "sum", r#"{"a":1,"b":2}"#, "--wait"]).await, "5\n");
    assert_eq!(place.text(&["start", "WAITS", "6", "--id", "six", "--tag", "tenant=acme"]).await, "six\n");
    assert_eq!(place.text(&["raise", "six", "go", "7"]).await, "six: `go` raised\n");
    let waited = place.text(&["wait", "six"]).await;
    assert_eq!(waited.split_whitespace().collect::<Vec<_>>(), ["six", "Completed", "42"]);
    assert_eq!(place.runtime.status("six").await?.tags()["tenant"], "acme");
    assert_eq!(place.json(&["wait", "six"]).await[0]["output"], 42);
    // From standard input.
    let said =
        tool(&url(&place.folder), &["--json", "start", "sum", "-", "--wait", "--timeout", "60s"], "{\"a\": 1,\n\"b\": 1}").await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&said.out)?["output"], 4);

    let later = place.json(&["start", "waits", "1", "--id", "later", "--after", "2 days"]).await;
    assert_eq!(later, json!({ "instanceId": "later" }));
    assert_eq!(place.runtime.status("later").await?.runtime_status(), Status::Pending);
    place.text(&["start", "reads", "-5", "--id", "negative"]).await;
    assert_eq!(place.runtime.status("negative").await?.input().map(|input| input.as_str().to_owned()), Some("-5".into()));
    let (code, said) = place.refused(&["raise", "six", "go", "-1.5e3"]).await;
    assert!(code == 1 && said.contains("`six` has completed already"), "{said}");
    place.text(&["start", "waits", "1", "--id", "past", "--at", "2001-01-01"]).await;
    place.text(&["raise", "past", "go", "3"]).await;
    assert_eq!(place.runtime.wait("past").await?.output().map(|output| output.as_str().to_owned()), Some("3".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_how_it_ended() -> dacapo::Result<()> {
    let place = Place::new().await;
    let missing = format!("{:?}", place.file("missing"));
    let (code, said) = place.refused(&["start", "reads", &missing, "--id", "reads", "--wait"]).await;
    assert!(code == 3 && said.contains("`reads` has failed") && said.contains("No such file"), "{code}: {said}");
    assert_eq!(place.tool(&["wait", "reads"]).await.code, 3);
    place.text(&["start", "waits", "1", "--id", "one"]).await;
    let (code, said) = place.refused(&["wait", "reads", "one", "--timeout", "100ms"]).await;
    assert_eq!((code, said.as_str()), (4, "error: not ended in time: one\n"));
    let (code, said) = place.refused(&["start", "waits", "2", "--id", "two", "--wait", "--timeout", "100ms"]).await;
    assert_eq!((code, said.as_str()), (4, "error: `two` has not ended in time; it goes on\n"));
    assert!(!place.runtime.status("two").await?.runtime_status().is_terminal());
    assert_eq!(place.refused(&["wait", "nobody"]).await.0, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_looked_at_before_the_time_counts() -> dacapo::Result<()> {
    let place = Place::new().await;
    assert_eq!(place.runtime.start(sum(1, 2)).id("sum").await?.result().await?, 5);
    place.runtime.start(waits(1)).id("one").await?;
    let waited = place.text(&["wait", "sum", "--timeout", "0s"]).await;
    assert_eq!(waited.split_whitespace().collect::<Vec<_>>(), ["sum", "Completed", "5"]);
    let said = place.tool(&["wait", "one", "sum", "--timeout", "0s"]).await;
    assert_eq!((said.code, said.err.as_str(), said.out.lines().count()), (4, "error: not ended in time: one\n", 1));
    let existing = ["start", "sum", "1", "--id", "sum", "--reuse-id", "use-existing", "--wait", "--timeout", "0s"];
    assert_eq!(place.text(&existing).await, "5\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_not_waited_for() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.call(Counter::at("v").add(1)).await?;
    let (code, said) = place.refused(&["wait", "@counter@v", "--timeout", "1s"]).await;
    assert_eq!((code, said.as_str()), (1, "error: `@counter@v` is an entity, not an orchestration; it has no end to wait for\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_place_of_another_waits_for_a_worker_only_as_long_as_it_may() -> dacapo::Result<()> {
    let Place { folder, runtime } = Place::new().await;
    runtime.start(waits(1)).id("one").await?;
    runtime.shutdown().await?;
    let start = ["start", "sum", r#"{"a":1,"b":2}"#, "--id", "one", "--reuse-id", "replace-any", "--wait"];
    let began = Instant::now();
    let said = tool(&url(&folder), &[&start[..], &["--timeout", "2100ms"]].concat(), "").await;
    let expected = "waits for a worker to end the earlier run `one`\n\
        error: `one` has not been started: the earlier run has been asked to end, and no worker has ended it in time\n";
    assert_eq!((said.code, said.err.as_str()), (4, expected), "{:?}", began.elapsed());
    let runtime = Runtime::open(&url(&folder)).await?;
    assert_eq!(runtime.wait("one").await?.runtime_status(), Status::Terminated);
    let place = Place { folder, runtime };
    assert_eq!(place.text(&[&start[..], &["--timeout", "60s"]].concat()).await, "5\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_is_refused_with_a_reason() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.text(&["start", "waits", "1", "--id", "one"]).await;
    for (arguments, expected) in [
        (vec!["start", "waits", "hello"], "error: the input is not valid JSON: hello; put a string in quotes, as in '\"hello\"'"),
        (
            vec!["start", "wait", "1"],
            "error: no orchestrator named `wait` is registered with the worker; registered: either, reads, sum, varied, waits",
        ),
        (
            vec!["start", "waits", "1", "--id", "one"],
            "error: an orchestration with the id `one` exists already; give another `--id`, or say with `--reuse-id`",
        ),
        (
            vec!["start", "sum", "1", "--id", "one", "--reuse-id", "use-existing"],
            "error: the orchestration `one` exists already, and is a run of `waits`, not of `sum`; give another `--id`",
        ),
        (
            vec!["restart", "one"],
            "error: an orchestration with the id `one` exists already; start it under another id with `--id` or `--new-id`",
        ),
        (vec!["start", "waits", "1", "--id", "a/b"], "error: `a/b` cannot be an instance id"),
        (vec!["start", "sum", "{}", "--version", "1"], "error: new runs of `sum` have version 2, not 1"),
        (vec!["raise", "one", "go", "{"], "error: the value is not valid JSON: {"),
        (vec!["raise", "nobody", "go", "1"], "error: there is no orchestration with the id `nobody`"),
    ] {
        let (code, said) = place.refused(&arguments).await;
        assert!(code == 1 && said.starts_with(expected), "{arguments:?}: {said}");
    }
    assert_eq!(place.text(&["start", "waits", "9", "--id", "one", "--reuse-id", "use-existing"]).await, "one\n");
    assert_eq!(place.runtime.status("one").await?.input().map(|input| input.as_str().to_owned()), Some("1".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_without_a_worker_is_done_by_the_next_one() -> dacapo::Result<()> {
    let Place { folder, runtime } = Place::new().await;
    runtime.shutdown().await?;
    let store = url(&folder);
    assert_eq!(tool(&store, &["start", "waits", "6", "--id", "six"], "").await.code, 0);
    assert_eq!(tool(&store, &["raise", "six", "go", "7"], "").await.code, 0);
    assert_eq!(tool(&store, &["wait", "six", "--timeout", "50ms"], "").await.code, 4);

    // A worker that cannot run it parks it, by which the tool shows that it waits.
    let runtime = Runtime::builder(&store).only_registered().register(sum).open().await?;
    reported(&runtime, "six").await;
    runtime.shutdown().await?;
    let mut waits = tokio::process::Command::new(TOOL);
    waits.args(["wait", "six"]).env("DACAPO_STORE", &store).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiting = waits.spawn()?;
    let mut says = BufReader::new(waiting.stderr.take().expect("it is piped")).lines();
    let said = says.next_line().await?.expect("it says what it waits for");
    assert!(said.contains("`six` is parked"), "{said}");
    let _runtime = Runtime::open(&store).await?;
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting.wait_with_output()).await??;
    let out = String::from_utf8_lossy(&waited.stdout);
    assert_eq!((waited.status.code(), out.split_whitespace().last()), (Some(0), Some("42")), "{out}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_input_can_be_read_by_a_worker_that_does_not_compress() -> dacapo::Result<()> {
    let place = Place::new().await;
    let input = format!("{:?}", "abcdefg ".repeat(20_000));
    let store = url(&place.folder);
    let said = tool(&store, &["start", "reads", "-", "--id", "large"], &input).await;
    assert_eq!(said.code, 0, "{said:?}");
    let mut written = std::fs::read(place.file("test.db"))?;
    written.extend(std::fs::read(place.file("test.db-wal"))?);
    let part = &input.as_bytes()[input.len() / 2..][..1000];
    assert!(written.windows(part.len()).any(|window| window == part), "it is written as it is");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_keeps_nobody_from_waiting_for_the_others() -> dacapo::Result<()> {
    let place = Place::new().await;
    for id in ["a", "b"] {
        place.runtime.start(sum(1, 1)).id(id).await?;
    }
    let said = place.tool(&["wait", "a", "nosuch", "b", "--json"]).await;
    let mut answers: Vec<serde_json::Value> = serde_json::from_str(&said.out)?;
    answers.sort_by_key(|answer| answer["instanceId"].to_string());
    let outputs: Vec<_> = answers.iter().map(|answer| (&answer["instanceId"], &answer["output"])).collect();
    let expected = [(json!("a"), json!(4)), (json!("b"), json!(4)), (json!("nosuch"), json!(null))];
    assert_eq!((said.code, outputs), (1, expected.iter().map(|(id, output)| (id, output)).collect()), "{said:?}");
    assert!(answers[2]["error"].as_str().is_some_and(|error| error.contains("there is no orchestration")), "{said:?}");
    let said = place.tool(&["wait", "a", "nosuch", "b"]).await;
    assert_eq!((said.code, said.out.lines().count(), said.err.lines().count()), (1, 2, 1), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_run_is_said_to_be_parked_until_it_ends() -> dacapo::Result<()> {
    let Place { folder, runtime } = Place::new().await;
    runtime.start(waits(1)).id("one").await?;
    runtime.shutdown().await?;
    let runtime = Runtime::builder(url(&folder)).only_registered().register(sum).open().await?;
    let place = Place { folder, runtime };
    let store = url(&place.folder);
    let waiting = tokio::spawn(async move { tool(&store, &["wait", "one"], "").await });
    // One that only waits is not looked at before something comes for it.
    place.text(&["raise", "one", "go", "1"]).await;
    reported(&place.runtime, "one").await;
    let (code, said) = place.refused(&["wait", "one", "--timeout", "2s"]).await;
    let expected = "`one` is parked, see `show`; it is still waited for\nerror: not ended in time: one (parked, see `show`)\n";
    assert_eq!((code, said.as_str()), (4, expected));
    place.text(&["terminate", "one"]).await;
    let said = waiting.await?;
    assert_eq!((said.code, said.err.matches("is parked").count()), (3, 1), "{said:?}");
    for command in [vec!["show", "one"], vec!["list"], vec!["show", "one", "--json"], vec!["list", "--json"]] {
        let text = place.text(&command).await;
        assert!(!text.contains("parked") && !text.contains("report"), "{command:?}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_nested_too_deeply_is_refused_with_its_depth() -> dacapo::Result<()> {
    let place = Place::new().await;
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    place.tool(&["start", "waits", "1", "--id", "one"]).await;
    for arguments in [["start", "waits", &deep, "--id", "other"].as_slice(), &["raise", "one", "go", &deep]] {
        let (code, said) = place.refused(arguments).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("101 levels") && said.len() < 500, "{said}");
    }
    let long = "r".repeat(8_193);
    for verb in ["suspend", "resume", "terminate", "rewind"] {
        let (_, said) = place.refused(&[verb, "one", "--reason", &long]).await;
        assert!(said.contains("8192"), "{verb}: {said}");
    }
    Ok(())
}
