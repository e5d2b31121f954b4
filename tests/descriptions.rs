//! The published descriptions that programs in `examples/` follow. Each test makes the exchange of one description and fails on a
//! wrong name, route, number or output.

#[path = "support/exchange.rs"]
mod exchange;
mod support;

use std::collections::BTreeMap;
use std::fs;

use dacapo::store::Event;
use exchange::{accepted, calls, completed, ended, failure, send};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::block_on;
use support::programs::{Place, Served};

/// How often each activity was called.
fn counted(calls: &[(String, Value, Value)]) -> BTreeMap<&str, usize> {
    calls.iter().fold(BTreeMap::new(), |mut counts, (name, ..)| {
        *counts.entry(name.as_str()).or_default() += 1;
        counts
    })
}

#[test]
fn the_fan_out_recipe_is_followed() {
    let place = Place::of("fan_out_fan_in");
    let five: Vec<_> = (1..=5).map(|number| format!("Processed item-{number}")).collect();
    assert_eq!(place.run(&[]), five.iter().map(|line| format!("{line}\n")).collect::<String>());

    let server = place.served(&[]);
    block_on(async {
        let orchestrator = "orchestrators/fan_out_fan_in_orchestrator";
        let routes = ["/api/start-fanout".to_owned(), format!("/{orchestrator}"), format!("/api/{orchestrator}")];
        for route in routes.iter().flat_map(|route| [route.clone(), route.to_uppercase()]) {
            let location = accepted(&server, &route, None).await;
            let state = completed(&location).await;
            assert_eq!((&state["name"], &state["input"]), (&json!("fan_out_fan_in_orchestrator"), &Value::Null), "{route}");
            assert_eq!(state["output"], json!(five), "{route}");
            let calls = calls(&location).await;
            assert_eq!(counted(&calls), BTreeMap::from([("process_item", 5)]));
            assert!((1..=5).all(|number| calls.iter().any(|(_, input, _)| *input == format!("item-{number}"))), "{calls:?}");
        }
        for route in ["/api/start-fanout", &format!("/api/{orchestrator}")] {
            let got = send(Method::GET, &format!("{}{route}", server.host), None).await;
            assert_eq!(got.status(), StatusCode::NOT_FOUND, "{route} is for POST");
        }
        let named = accepted(&server, &format!("/{orchestrator}/mine"), Some(json!(["item-7"]))).await;
        assert!(named.contains("/instances/mine?"), "{named}");
        assert_eq!(completed(&named).await["output"], json!(["Processed item-7"]));
    });
}

/// Checks the members of an output of `AggregateResults`.
fn assert_aggregated(output: &Value, succeeded: usize, failed: usize) {
    let counts = ["TotalProcessed", "SuccessCount", "FailureCount"].map(|name| output[name].as_u64());
    assert_eq!(counts, [succeeded + failed, succeeded, failed].map(|count| Some(count as u64)), "{output}");
    assert!(output["CompletedAt"].as_str().is_some_and(|time| time.ends_with('Z') && time.contains('T')), "{output}");
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

const AGGREGATED: [&str; 4] = ["CompletedAt", "FailureCount", "SuccessCount", "TotalProcessed"];

/// Serves the program with its log in a file.
fn logged(place: &Place, arguments: &[&str], log: &str) -> Served {
    let serve = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
    Served::start(place.program(&serve).stderr(fs::File::create(place.path(log)).expect("a file")))
}

#[test]
fn batch_processing_processes_100_items_and_aggregates_them() {
    let place = Place::of("batch_processing");
    let server = logged(&place, &["--work-ms", "20"], "log");
    let location = block_on(async {
        let location = accepted(&server, "/api/StartBatchProcessing", None).await;
        let state = completed(&location).await;
        assert_eq!((&state["name"], &state["input"]), (&json!("ProcessBatchOrchestrator"), &Value::Null));
        assert_eq!(members(&state["output"]), AGGREGATED);
        assert_aggregated(&state["output"], 100, 0);

        let mut calls = calls(&location).await;
        let counts = [("AggregateResults", 1), ("GetWorkItems", 1), ("ProcessSingleItem", 100)];
        assert_eq!(counted(&calls), BTreeMap::from(counts));
        calls.retain(|(name, ..)| name == "ProcessSingleItem");
        calls.sort_by_key(|(_, input, _)| input["Id"].as_u64());
        for ((_, input, result), id) in calls.iter().zip(0..) {
            assert_eq!(*input, json!({ "Id": id, "Payload": format!("item-{id}") }));
            assert_eq!(members(result), ["ItemId", "ProcessedAt", "Success"]);
            assert_eq!((&result["ItemId"], &result["Success"]), (&json!(id), &json!(true)), "{result}");
        }
        location
    });
    assert!(server.kill());
    let id = location.split(['/', '?']).nth(7).expect("an id");
    let log = fs::read_to_string(place.path("log")).expect("the log");
    let lines = [
        format!("Started orchestration with ID {id}"),
        "Retrieved 100 work items".to_owned(),
        "Fanning out to process 100 items".to_owned(),
        "Processed item 0".to_owned(),
        "Processed item 99".to_owned(),
        "Batch complete: 100 succeeded, 0 failed".to_owned(),
    ];
    for line in lines {
        assert_eq!(log.lines().filter(|said| said.ends_with(&line)).count(), 1, "`{line}` in {log}");
    }
    let once = place.program(&["--work-ms", "0"]).output().expect("the program runs");
    assert_aggregated(&serde_json::from_slice(&once.stdout).expect("JSON"), 100, 0);
}

#[test]
fn a_replay_after_a_kill_logs_nothing_again() {
    let place = Place::of("batch_processing");
    let mut server = logged(&place, &["--work-ms", "60000"], "first");
    block_on(accepted(&server, "/orchestrators/ProcessBatchOrchestrator/a", None));
    assert!(server.run_until("the fan-out", || waves(&place, "a").len() == 100));
    assert!(server.kill());

    let server = logged(&place, &["--work-ms", "0"], "second");
    let location = format!("{}/runtime/webhooks/durabletask/instances/a", server.host);
    assert_aggregated(&block_on(completed(&location))["output"], 100, 0);
    let fan_outs = |log: &str| fs::read_to_string(place.path(log)).expect("a log").matches("Fanning out to process").count();
    assert_eq!([fan_outs("first"), fan_outs("second")], [1, 0]);
}

#[test]
fn results_are_aggregated_under_the_published_spelling_on_request() {
    let place = Place::of("batch_processing");
    let server = logged(&place, &["--work-ms", "0"], "log");
    block_on(async {
        for orchestrator in ["ProcessBatchOrchestrator", "ControlledFanOutOrchestrator"] {
            for (input, name) in [("AggregatResults", "AggregatResults"), ("anything else", "AggregateResults")] {
                let location = accepted(&server, &format!("/orchestrators/{orchestrator}"), Some(json!(input))).await;
                assert_aggregated(&completed(&location).await["output"], 100, 0);
                let calls = calls(&location).await;
                assert_eq!(counted(&calls), BTreeMap::from([(name, 1), ("GetWorkItems", 1), ("ProcessSingleItem", 100)]));
            }
        }
    });
}

/// How many calls of `ProcessSingleItem` had been scheduled and how many of those had ended, before each was scheduled.
fn waves(place: &Place, id: &str) -> Vec<(usize, usize)> {
    let (mut scheduled, mut ended, mut waves) = (Vec::new(), 0, Vec::new());
    for event in support::history(&place.path("batch_processing.db"), id).iter().flat_map(|turn| &turn.events) {
        match event {
            Event::TaskScheduled { name, id, .. } if name == "ProcessSingleItem" => {
                waves.push((scheduled.len(), ended));
                scheduled.push(*id);
            }
            Event::TaskCompleted { id, .. } if scheduled.contains(id) => ended += 1,
            _ => {}
        }
    }
    waves
}

#[test]
fn a_controlled_fan_out_processes_50_items_at_a_time() {
    let place = Place::of("batch_processing");
    let server = logged(&place, &["--work-ms", "5"], "log");
    block_on(async {
        for (id, orchestrator) in [("all", "ProcessBatchOrchestrator"), ("controlled", "ControlledFanOutOrchestrator")] {
            let state = completed(&accepted(&server, &format!("/orchestrators/{orchestrator}/{id}"), None).await).await;
            assert_eq!(members(&state["output"]), AGGREGATED);
            assert_aggregated(&state["output"], 100, 0);
        }
    });
    assert!(server.kill());
    assert!(waves(&place, "all").iter().all(|(_, ended)| *ended == 0), "all at once");
    let expected: Vec<_> = (0..100).map(|scheduled| (scheduled, scheduled / 50 * 50)).collect();
    assert_eq!(waves(&place, "controlled"), expected);
}

/// The waits that were recorded for one failing item: from the failure and from the one before it, and the number of its failures.
fn failures(place: &Place, id: &str, item: u32) -> Vec<(f64, f64)> {
    let history = support::history(&place.path("batch_processing.db"), id);
    let events = || history.iter().flat_map(|turn| turn.events.iter().map(move |event| (turn.at, event)));
    let call = events().find_map(|(_, event)| match event {
        Event::TaskScheduled { id, input, .. } if input.as_str().contains(&format!("\"item-{item}\"")) => Some(*id),
        _ => None,
    });
    let failed = events().filter_map(|(at, event)| match event {
        Event::TaskFailed { id, retry_at, .. } if Some(*id) == call => Some((at, *retry_at)),
        _ => None,
    });
    let mut before = history.first().map(|turn| turn.at).expect("a history");
    let seconds = |failed: (dacapo::store::Timestamp, Option<dacapo::store::Timestamp>)| {
        let retry_at = failed.1?;
        let waits = (retry_at.since(failed.0).as_secs_f64(), retry_at.since(before).as_secs_f64());
        before = retry_at;
        Some(waits)
    };
    failed.map(seconds).map(Option::unwrap_or_default).collect()
}

#[test]
fn retries_are_three_attempts_and_partial_failures_are_named() {
    let place = Place::of("batch_processing");
    let mut server = logged(&place, &["--work-ms", "0", "--fail-every", "10"], "log");
    let route = "/api/orchestrators/RetryingFanOutOrchestrator";
    block_on(async {
        let quick = accepted(&server, &format!("{route}/quick"), Some(json!({ "firstretryinterval": 0.3 }))).await;
        let state = completed(&quick).await;
        assert_aggregated(&state["output"], 90, 10);
        let failure = |id: u32| json!({ "ItemId": id, "Error": format!("`item-{id}` cannot be processed") });
        assert_eq!(state["output"]["Failures"], (1..=10).map(|tenth| failure(10 * tenth - 1)).collect::<Value>());
        assert_eq!(members(&state["output"]), [&AGGREGATED[..2], &["Failures"], &AGGREGATED[2..]].concat());

        let negative = accepted(&server, route, Some(json!({ "FirstRetryInterval": -1 }))).await;
        assert_eq!(
            exchange::failure(&negative).await,
            "invalid `FirstRetryInterval` -1: cannot convert float seconds to Duration: value is negative"
        );

        let strict = accepted(&server, "/orchestrators/ProcessBatchOrchestrator", None).await;
        let why = exchange::failure(&strict).await;
        assert!(why.starts_with("10 of 100 items failed: item 9: `item-9` cannot be processed; item 19: "), "{why}");
        assert_eq!(why.matches("cannot be processed").count(), 10, "{why}");

        accepted(&server, &format!("{route}/slow"), None).await;
    });
    let waits = failures(&place, "quick", 19);
    assert_eq!(waits.len(), 3, "three attempts");
    assert!(waits[0].1 >= 0.3 && waits[1].1 >= 0.6, "the second wait is twice the first: {waits:?}");
    assert_eq!(waits[2], (0.0, 0.0), "no fourth attempt");
    assert!(server.run_until("the first failure", || !failures(&place, "slow", 19).is_empty()));
    let (after_failure, after_start) = failures(&place, "slow", 19)[0];
    assert!(after_failure <= 5.0 && after_start >= 5.0, "the first interval is five seconds: {after_failure} {after_start}");
}

#[test]
fn an_order_batch_is_summarized_and_every_failure_is_named() {
    let place = Place::of("process_batch");
    let server = place.served(&["--work-ms", "0", "--fail", "BAD-1", "--fail", "BAD-2"]);
    block_on(async {
        let lines = json!([{ "Sku": "A-1", "Quantity": 2 }, { "sku": "B-2", "QUANTITY": 0 }, { "SKU": "C", "quantity": 99 }, { "sku": "D", "quantity": -1 }]);
        let location = accepted(&server, "/api/batches", Some(lines.clone())).await;
        let text = ended(&location).await;
        let summary = r#"{"Processed":4,"Reserved":2,"Total":999.00}"#;
        assert!(text.contains(&format!(r#""output":{summary},"#)), "{text}");
        let state: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&state["name"], &state["runtimeStatus"]), (&json!("ProcessBatchOrchestrator"), &json!("Completed")));

        let calls = calls(&location).await;
        assert_eq!(counted(&calls), BTreeMap::from([("ProcessItemActivity", 4), ("SummarizeBatchActivity", 1)]));
        let first = calls.iter().find(|(_, input, _)| input["Sku"] == "A-1").expect("the first line");
        assert_eq!(first.1, json!({ "Sku": "A-1", "Quantity": 2 }));
        assert_eq!(first.2, json!({ "Sku": "A-1", "Reserved": true, "LineTotal": 19.98 }));
        for (sku, total) in [("B-2", 0.0), ("D", -9.99)] {
            let line = calls.iter().find(|(_, input, _)| input["Sku"] == sku).expect("the line");
            assert_eq!(line.2, json!({ "Sku": sku, "Reserved": false, "LineTotal": total }));
        }

        let waited = send(Method::POST, &format!("{}/api/batches?wait=5", server.host), Some(lines)).await;
        assert_eq!(waited.status(), StatusCode::OK);
        assert_eq!(waited.text().await.expect("text"), summary);
        let waited = send(Method::POST, &format!("{}/API/Batches?Wait=5", server.host), Some(json!([]))).await;
        assert_eq!(waited.text().await.expect("text"), r#"{"Processed":0,"Reserved":0,"Total":0.00}"#, "in any letter case");

        let bad = |sku: &str| json!({ "Sku": sku, "Quantity": 1 });
        let failing = json!([bad("A"), bad("BAD-1"), bad("B"), bad("BAD-2")]);
        let why = failure(&accepted(&server, "/api/batches", Some(failing)).await).await;
        assert_eq!(why, "2 of 4 items failed: line 2 (BAD-1): out of stock; line 4 (BAD-2): out of stock");

        for wrong in [json!({}), json!([{ "Sku": "A" }]), json!([{ "Sku": "A", "Quantity": "2" }])] {
            let refused = send(Method::POST, &format!("{}/api/batches", server.host), Some(wrong)).await;
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            let message: Value = refused.json().await.expect("JSON");
            assert!(message["Message"].as_str().is_some_and(|why| why.starts_with("the body must be a JSON array")), "{message}");
        }
        for wrong in ["soon", "-1", "NaN", ""] {
            let url = format!("{}/api/batches?wait={wrong}", server.host);
            let refused = send(Method::POST, &url, Some(json!([]))).await;
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong}");
            let message: Value = refused.json().await.expect("JSON");
            assert!(message["Message"].as_str().is_some_and(|why| why.starts_with("`wait` must be a number")), "{message}");
        }
    });
}

#[test]
fn an_order_batch_has_500_lines() {
    let place = Place::of("process_batch");
    let lines: Vec<_> = (0..500).map(|line| json!({ "Sku": format!("SKU-{line}"), "Quantity": line % 3 })).collect();
    let summary = r#"{"Processed":500,"Reserved":333,"Total":4985.01}"#;
    fs::write(place.path("orders.json"), json!(lines).to_string()).expect("a file");
    assert_eq!(place.run(&["orders.json"]), format!("{summary}\n"));
    assert_eq!(place.run(&[]), "{\"Processed\":500,\"Reserved\":450,\"Total\":22477.50}\n");

    let server = place.served(&["--work-ms", "300", "--max-concurrent-orchestrators", "1"]);
    block_on(async {
        let url = format!("{}/api/batches?wait=", server.host);
        let early = send(Method::POST, &format!("{url}0.01"), Some(json!(lines))).await;
        assert_eq!(early.status(), StatusCode::ACCEPTED, "a wait that is too short is answered with the URLs");
        let late = send(Method::POST, &format!("{url}30"), Some(json!(lines))).await;
        assert_eq!((late.status(), late.text().await.expect("text")), (StatusCode::OK, summary.to_owned()));
        let generic = accepted(&server, "/api/orchestrators/ProcessBatchOrchestrator", Some(json!(lines))).await;
        let output = completed(&generic).await["output"].clone();
        assert_eq!(output, serde_json::from_str::<Value>(summary).expect("JSON"));
    });
}

#[test]
fn rendered_pages_are_references_to_blobs() {
    let place = Place::of("process_batch");
    let server = place.served(&[]);
    let location = block_on(async {
        let location = accepted(&server, "/orchestrators/RenderPagesOrchestrator", Some(json!(2))).await;
        let refs = json!([{ "Page": 1, "BlobName": "pages/1.png" }, { "Page": 2, "BlobName": "pages/2.png" }]);
        assert_eq!(completed(&location).await["output"], refs);
        assert_eq!(counted(&calls(&location).await), BTreeMap::from([("RenderPageActivity", 2)]));
        location
    });
    image::open(place.path("blobs/pages/2.png")).unwrap_or_else(|error| panic!("{location}: {error}"));
}

#[test]
fn fan_out_and_references_are_measured_in_one_run() {
    let text = Place::of("process_batch").run(&["measure", "--lines", "60", "--work-ms", "10", "--pages", "1"]);
    let number = |line: &str, unit: &str| -> f64 {
        let line = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_else(|| panic!("no `{line}` in {text}"));
        line.split(unit).next().and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    assert!(text.starts_with("60 order lines, 10 ms each\n"), "{text}");
    let one_by_one = number("one by one", " s");
    assert!(one_by_one > 0.6, "{text}");
    for limit in ["10", "100", "unlimited"] {
        assert!(number(&format!("max_concurrent_activities {limit} "), " s") < one_by_one, "{text}");
    }
    let [images, references] = ["images in the history", "references to blobs"].map(|line| number(line, " bytes"));
    assert!(images > 900_000.0 && references < 200_000.0, "{text}");
}

#[test]
fn site_content_is_backed_up_by_one_list_and_one_copy_for_each_file() {
    let place = Place::of("backup");
    let site = place.path("site");
    let files = [("index.html", 13), ("images/a.png", 1000), ("images/deep/er/b.bin", 70_000), ("empty", 0)];
    for (file, bytes) in files {
        let file = site.join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, vec![7; bytes]).expect("a file");
    }
    let server = place.served(&[]);
    block_on(async {
        for route in ["/orchestrators/E2_BackupSiteContent", "/api/orchestrators/E2_BackupSiteContent"] {
            let location = accepted(&server, route, Some(json!(site))).await;
            let state = completed(&location).await;
            assert_eq!((&state["name"], &state["input"]), (&json!("E2_BackupSiteContent"), &json!(site)));
            assert_eq!(state["output"], json!(71_013));

            let calls = calls(&location).await;
            assert_eq!(counted(&calls), BTreeMap::from([("E2_CopyFileToBlob", 4), ("E2_GetFileList", 1)]));
            let list = calls.iter().find(|(name, ..)| name == "E2_GetFileList").expect("the list");
            assert_eq!(list.1, json!(site));
            assert_eq!(list.2.as_array().map(Vec::len), Some(4));
            for (file, bytes) in files {
                let file = site.join(file);
                assert!(list.2.as_array().is_some_and(|list| list.contains(&json!(file))), "{list:?}");
                assert!(calls.contains(&("E2_CopyFileToBlob".to_owned(), json!(file), json!(bytes))), "{calls:?}");
                let blob = place.path("backups").join(file.strip_prefix("/").expect("an absolute path"));
                assert_eq!(fs::read(blob).expect("a blob"), vec![7; bytes]);
            }
            fs::remove_dir_all(place.path("backups")).expect("the container");
        }
        for windows in [r"D:\home\LogFiles", "c:/site", r"\\server\share", "C:"] {
            let why = failure(&accepted(&server, "/orchestrators/E2_BackupSiteContent", Some(json!(windows))).await).await;
            assert!(
                why.starts_with(&format!("could not read the source `{windows}`: it is a Windows path, and this is")),
                "{why}"
            );
        }
    });
}

/// From the command line the calls have the same names.
#[test]
fn a_backup_from_the_command_line_has_the_published_names() {
    let place = Place::of("backup");
    fs::create_dir(place.path("site")).expect("a folder");
    fs::write(place.path("site/a"), "a").expect("a file");
    place.run(&["site", "copies", "--id", "b"]);
    let names = support::history(&place.path("backup.db"), "b").into_iter().flat_map(|turn| turn.events);
    let names: Vec<_> = names
        .filter_map(|event| match event {
            Event::ExecutionStarted { name, .. } => Some(name),
            Event::TaskScheduled { name, .. } => Some(name.into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["E2_BackupSiteContent", "E2_GetFileList", "E2_CopyFileToBlob"]);
}
