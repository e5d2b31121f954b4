//! The published descriptions that programs in `examples/` follow. Each test makes the exchange of one description and fails on a
//! wrong name, route, number or output.

#[allow(dead_code, reason = "not every helper is needed here")]
#[path = "support/exchange.rs"]
mod exchange;
mod support;

use std::collections::BTreeMap;
use std::fs;

use dacapo::store::Event;
use exchange::{accepted, calls, completed, failure};
use serde_json::{Value, json};
use support::block_on;
use support::programs::Place;

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
        for route in ["/api/start-fanout", &format!("/{orchestrator}"), &format!("/api/{orchestrator}")] {
            let location = accepted(&server, route, None).await;
            let state = completed(&location).await;
            assert_eq!((&state["name"], &state["input"]), (&json!("fan_out_fan_in_orchestrator"), &Value::Null), "{route}");
            assert_eq!(state["output"], json!(five), "{route}");
            let calls = calls(&location).await;
            assert_eq!(counted(&calls), BTreeMap::from([("process_item", 5)]));
            assert!((1..=5).all(|number| calls.iter().any(|(_, input, _)| *input == format!("item-{number}"))), "{calls:?}");
        }
        let named = accepted(&server, &format!("/{orchestrator}/mine"), Some(json!(["item-7"]))).await;
        assert!(named.contains("/instances/mine?"), "{named}");
        assert_eq!(completed(&named).await["output"], json!(["Processed item-7"]));
    });
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
