//! `list`, `show`, `history`, `census`.

use dacapo::store::{Event, Turn};
use dacapo::{Runtime, Status};
use serde_json::{Value, json};

use crate::wait::reported;
use crate::{Counter, GO, Place, TOOL, reads, sum, tool, url, varied, waits};

fn ids(listed: &Value) -> Vec<&str> {
    listed.as_array().expect("a list").iter().map(|one| one["instanceId"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_listed_and_narrowed() -> dacapo::Result<()> {
    let place = Place::new().await;
    for n in 0..5 {
        place
            .runtime
            .start(sum(n, 1))
            .id(format!("sum-{n}"))
            .tag("parity", ["even", "odd"][n as usize % 2])
            .await?
            .result()
            .await?;
    }
    place.runtime.start(waits(1)).id("waiting").await?;
    assert_eq!(ids(&place.json(&["list"]).await), ["waiting", "sum-4", "sum-3", "sum-2", "sum-1", "sum-0"]);
    for (filter, expected) in [
        (vec!["--status", "running"], vec!["waiting"]),
        (vec!["--status", "Completed,failed", "--tag", "parity=odd"], vec!["sum-3", "sum-1"]),
        (vec!["--name", "waits"], vec!["waiting"]),
        (vec!["--prefix", "sum-", "--limit", "2"], vec!["sum-0", "sum-1"]),
        (vec!["--created-from", "1h", "--limit", "1"], vec!["waiting"]),
        (vec!["--created-to", "2001-01-01"], vec![]),
        (vec!["--parent", "nobody"], vec![]),
    ] {
        assert_eq!(ids(&place.json(&[&["list"], &filter[..]].concat()).await), expected, "{filter:?}");
    }
    let one = &place.json(&["ls", "--name", "waits"]).await[0];
    assert_eq!((&one["runtimeStatus"], &one["customStatus"]), (&json!("Running"), &json!("waiting for go")));

    let shown = place.text(&["show", "waiting"]).await;
    assert!(shown.lines().any(|line| line.starts_with("waits for an event ") && line.ends_with("open")), "{shown}");

    let first = place.tool(&["list", "--limit", "4"]).await;
    assert!(first.err.trim().ends_with('\''), "it is quoted for a shell: {first:?}");
    let token = first.err.trim().rsplit(' ').next().expect("a token").trim_matches('\'');
    let rest = place.json(&["list", "--after", token]).await;
    assert_eq!(ids(&rest), ["sum-1", "sum-0"], "{first:?}");
    let table = place.text(&["list", "--name", "waits"]).await;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["INSTANCE", "ORCHESTRATOR", "STATUS"]);
    assert_eq!((&lines[1][..3], lines.len()), (&["waiting", "waits", "Running"][..], 2));
    let coloured = place.tool(&["--color", "always", "list", "--name", "waits"]).await.out;
    assert!(coloured.contains("\u{1b}[34mRunning"), "{coloured:?}");

    let (code, said) = place.refused(&["list", "--status", "dead"]).await;
    assert!(code == 2 && said.contains("pending, running, suspended, completed, failed, terminated"), "{said}");
    let (code, said) = place.refused(&["list", "--created-from", "soon"]).await;
    assert!(code == 2 && said.contains("`soon` is not a valid time; expected e.g."), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_shown_with_its_timeline() -> dacapo::Result<()> {
    let place = Place::new().await;
    let run = place.runtime.start(varied(3)).id("all <&> \"of\" it").tag("tenant", "acme").await?;
    let id = run.id().to_owned();
    while run.status().await?.runtime_status() != Status::Running || place.runtime.status(format!("{id}-child")).await.is_err() {
        tokio::task::yield_now().await;
    }
    let is_back = |turn: &Turn| turn.events.iter().any(|event| matches!(event, Event::SubOrchestrationInstanceCompleted { .. }));
    while !place.runtime.history(&id).await?.iter().any(is_back) {
        tokio::task::yield_now().await;
    }
    place.runtime.suspend(&id, "audit").await?;
    place.runtime.resume(&id, "").await?;
    run.raise(GO, 7).await?;
    assert_eq!(run.result().await?, 13);

    let shown = place.json(&["show", &id]).await;
    assert_eq!((&shown["output"], &shown["tags"]["tenant"], &shown["version"]), (&json!(13), &json!("acme"), &json!(1)));
    let lanes: Vec<Value> = serde_json::from_value(shown["timeline"]["lanes"].clone())?;
    let seen: Vec<_> =
        lanes.iter().map(|lane| (lane["kind"].as_str(), lane["name"].as_str(), lane["attempts"].as_u64())).collect();
    let expected = [
        ("activity", "step", 1),
        ("activity", "step", 1),
        ("activity", "step", 1),
        ("activity", "flaky", 3),
        ("timer", "timer", 1),
        ("subOrchestration", "sum", 1),
        ("suspended", "suspended", 1),
        ("event", "go", 1),
    ];
    assert_eq!(seen, expected.map(|(kind, name, attempts)| (Some(kind), Some(name), Some(attempts))));
    let spans: Vec<_> = lanes[3]["spans"].as_array().expect("spans").iter().map(|span| span["what"].as_str()).collect();
    assert_eq!(spans, ["failedWork", "wait", "failedWork", "wait", "work"].map(Some));
    assert!(lanes[3]["source"].as_str().is_some_and(|source| source.contains("main.rs:")), "{}", lanes[3]);

    let picture = place.file("timeline.svg");
    let text = place.text(&["show", &id, "--svg", &picture, "--width", "90"]).await;
    for part in [
        "varied v1  Completed",
        "tag            tenant=acme",
        "output         13",
        "4 flaky",
        "3 attempts",
        "event go",
        "◆",
        "sum (all",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let flaky = text.lines().find(|line| line.starts_with("4 flaky")).expect("its row");
    assert!(flaky.contains('✗') && flaky.contains('·'), "{flaky}");
    let drawing = std::fs::read_to_string(&picture)?;
    let document = roxmltree::Document::parse(&drawing).expect("it is XML");
    let title = document.descendants().find(|node| node.attribute("class") == Some("title")).expect("a title");
    assert_eq!(title.text().map(str::trim), Some("all <&> \"of\" it varied Completed"));
    let bars = |class| document.descendants().filter(|node| node.attribute("class") == Some(class)).count();
    assert_eq!((bars("failed"), bars("wait")), (2, 5), "{drawing}");
    // With fewer rows than lanes those of one name share one.
    let folded = place.text(&["show", &id, "--rows", "4"]).await;
    assert!(folded.contains("step × 3") && folded.contains("3 at once"), "{folded}");

    let (code, said) = place.refused(&["show", &id, "--svg", "/nowhere/at/all.svg"]).await;
    assert!(code == 1 && said.contains("could not write the picture `/nowhere/at/all.svg`: No such file"), "{said}");
    assert_eq!(
        place.refused(&["show", "nobody"]).await,
        (1, "error: there is no orchestration with the id `nobody`\n".to_owned())
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_shown_with_its_state() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.call(Counter::at("visits").add(3)).await?;
    assert_eq!(place.json(&["show", "@counter@visits"]).await["state"], json!({ "value": 3 }));
    let text = place.text(&["show", "@counter@visits"]).await;
    assert!(text.contains(r#"state          {"value":3}"#), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_shown_turn_by_turn() -> dacapo::Result<()> {
    let place = Place::new().await;
    let missing = place.file("missing");
    let run = place.runtime.start(reads(missing.clone())).id("reads").await?;
    assert!(run.result().await.is_err());
    let text = place.text(&["history", "reads"]).await;
    let events: Vec<_> = text.lines().skip(1).map(|line| line.split_whitespace().nth(3).unwrap_or_default()).collect();
    assert_eq!(events, ["ExecutionStarted", "TaskScheduled", "TaskFailed", "ExecutionFailed"], "{text}");
    assert!(text.contains(&format!("input {missing:?}")) && text.contains("No such file"), "{text}");
    let turns = place.json(&["history", "reads"]).await;
    assert_eq!(turns[0]["events"][0]["ExecutionStarted"]["name"], "reads");
    assert_eq!((&turns[1]["turn"], turns.as_array().map(Vec::len)), (&json!(2), Some(2)));
    let shown = place.text(&["show", "reads"]).await;
    assert!(shown.contains("failure") && shown.contains("failed"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_census_says_whether_the_worker_has_the_code() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.start(waits(1)).await?;
    place.runtime.start(waits(2)).await?;
    let census = place.json(&["census"]).await;
    assert_eq!(
        (&census[0]["name"], &census[0]["instances"], &census[0]["workerCode"]),
        (&json!("waits"), &json!(2), &json!("there"))
    );
    place.text(&["start", "waits", "0", "--id", "named"]).await;
    let table = place.text(&["census"]).await;
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let expected = ["waits", "1", "unknown", "1", "registered"];
    assert!(rows.any(|row| row == expected), "the tool does not know which code it starts: {table}");
    place.text(&["terminate", "named"]).await;
    assert_eq!(place.tool(&["wait", "named"]).await.code, 3);
    place.text(&["purge", "named"]).await;
    let Place { folder, runtime } = place;
    runtime.shutdown().await?;
    let runtime = Runtime::builder(url(&folder)).only_registered().register(sum).open().await?;
    let place = Place { folder, runtime };
    let table = place.text(&["census"]).await;
    let row: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!((row[0], row[1], row[3], row[4]), ("waits", "1", "2", "missing"), "{table}");
    // One that only waits is not looked at before something comes for it.
    for id in ids(&place.json(&["list"]).await) {
        place.text(&["raise", id, "go", "1"]).await;
        reported(&place.runtime, id).await;
    }
    let listed = place.text(&["list"]).await;
    assert_eq!(listed.matches("parked, see `show`").count(), 2, "{listed}");
    let shown = place.text(&["show", ids(&place.json(&["list"]).await)[0]]).await;
    assert!(shown.contains("parked") && shown.contains("no orchestrator named `waits` is registered"), "{shown}");
    Ok(())
}

/// One run of which the disk has kept half a turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_history_hides_nothing_else() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.start(sum(1, 2)).id("damaged").await?.result().await?;
    let database = rusqlite::Connection::open(place.folder.path().join("test.db"))?;
    let cut = "UPDATE turn SET events = '[{' WHERE instance = (SELECT key FROM instance WHERE id = 'damaged')";
    assert!(database.execute(cut, [])? > 0);
    let text = place.text(&["show", "damaged"]).await;
    assert!(text.contains("damaged") && text.contains("the history cannot be read"), "{text}");
    assert!(place.json(&["show", "damaged"]).await["unreadable"].is_string());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_is_no_error() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.start(varied(4000)).id("wide").await?;
    let store = url(&place.folder);
    for command in ["history wide", "--json history wide", "export"] {
        let line = format!("set -o pipefail; {TOOL} --store {store} {command} | head -n 1");
        let output = tokio::process::Command::new("bash").args(["-c", &line]).output().await?;
        assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
    }
    // A wide fan-out is one row.
    let shown = tool(&store, &["show", "wide"], "").await.out;
    assert!(shown.contains("step × 4000"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_put_off_is_shown_with_its_time() -> dacapo::Result<()> {
    let place = Place::new().await;
    let due = place.text(&["start", "waits", "1", "--at", "2999-01-01T00:00:00Z", "--id", "later"]).await;
    assert_eq!(due, "later\n");
    for status in [Status::Pending, Status::Suspended] {
        let text = place.text(&["show", "later"]).await;
        assert!(text.contains(&format!("{status}")) && text.contains("starts         2999-01-01 00:00:00Z"), "{text}");
        assert!(!text.contains("after  ") && !text.contains("last turn"), "{text}");
        let timeline = place.json(&["show", "later"]).await["timeline"].clone();
        assert!(timeline["from"] == timeline["to"] && timeline["to"].as_str() < Some("2999"), "{timeline}");
        assert_eq!(timeline["lanes"], json!([]));
        if status == Status::Pending {
            place.runtime.suspend("later", "").await?;
        }
    }
    place.runtime.terminate("later", "").await?;
    place.runtime.wait("later").await?;
    let shown = place.json(&["show", "later"]).await;
    assert_eq!(shown["timeline"]["lanes"], json!([]));
    assert!(shown["timeline"]["to"].as_str() < Some("2999"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_an_event_goes_on_through_a_suspension() -> dacapo::Result<()> {
    let place = Place::new().await;
    let wait_of = async |id: &str| {
        let shown = place.json(&["show", id]).await;
        let lanes = shown["timeline"]["lanes"].as_array().expect("lanes").clone();
        let wait = lanes.iter().find(|lane| lane["kind"] != "suspended").expect("a wait").clone();
        assert_eq!((wait["spans"][0]["what"].as_str(), &wait["spans"][0]["from"]), (Some("wait"), &shown["timeline"]["from"]));
        (wait, shown["timeline"]["to"].clone())
    };
    for id in ["one", "two"] {
        place.runtime.start(waits(2)).id(id).await?;
        place.runtime.suspend(id, "").await?;
        let (wait, to) = wait_of(id).await;
        assert_eq!((&wait["kind"], &wait["outcome"], &wait["spans"][0]["to"]), (&json!("waiting"), &json!("open"), &to));
    }
    place.runtime.terminate("two", "").await?;
    place.runtime.wait("two").await?;
    let (wait, to) = wait_of("two").await;
    assert_eq!((&wait["outcome"], &wait["spans"][0]["to"]), (&json!("dropped"), &to));
    place.runtime.resume("one", "").await?;
    place.text(&["raise", "one", "go", "7"]).await;
    place.runtime.wait("one").await?;
    assert_eq!(wait_of("one").await.0["kind"], "event");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_to_may_be_full_and_what_is_drawn_too_wide() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.start(sum(1, 1)).id("sum").await?.result().await?;
    let store = url(&place.folder);
    for command in ["show nosuch 2>/dev/full", "show sum >/dev/full", "show sum --json >/dev/full"] {
        let line = format!("{TOOL} --store {store} {command}");
        let output = tokio::process::Command::new("bash").args(["-c", &line]).output().await?;
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
    }
    assert!(place.text(&["show", "sum", "--width", "65535"]).await.lines().any(|line| line.len() > 60_000));
    assert_eq!(place.refused(&["show", "sum", "--width", "70000"]).await.0, 2);
    Ok(())
}
