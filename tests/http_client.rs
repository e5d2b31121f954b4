//! The examples that serve, driven by a Python program that was written for Azure Durable Functions.
//!
//! Needs `python3`, so it is compiled only with the feature `foreign-tests`.

mod support;

use std::path::Path;
use std::process::Command;

use support::programs::{Place, Served};

/// Runs the client and gives what it prints.
fn client(server: &Served, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable_functions_client.py");
    let [what, rest @ ..] = arguments else { panic!("nothing to do") };
    let output =
        Command::new("python3").arg(script).args([what, server.host.as_str()]).args(rest).output().expect("`python3` runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

#[test]
fn fan_out_is_started_and_polled() {
    let place = Place::of("fan_out_fan_in");
    let server = place.served(&[]);
    let five: Vec<_> = (1..=5).map(|number| format!("Processed item-{number}")).collect();
    let printed = client(&server, &["start", "/api/start-fanout"]);
    assert_eq!(serde_json::from_str::<Vec<String>>(&printed).expect("a list"), five);
    assert_eq!(client(&server, &["start", "/api/start-fanout", r#"["ä"]"#]), r#"["Processed \u00e4"]"#);
    assert_eq!(client(&server, &["manage", "fan_out_fan_in_orchestrator", "[]"]), "managed");
}

#[test]
fn a_backup_is_started_with_a_directory_and_gives_its_bytes() {
    let place = Place::of("backup");
    let server = place.served(&["--destination", "copies"]);
    let site = place.path("site");
    std::fs::create_dir_all(site.join("images")).expect("a folder");
    std::fs::write(site.join("index.html"), "<html></html>").expect("a file");
    std::fs::write(site.join("images/a.png"), [0; 1000]).expect("a file");
    let directory = serde_json::to_string(&site).expect("a path");
    assert_eq!(client(&server, &["start", "/orchestrators/E2_BackupSiteContent", &directory]), "1013");
    let site = site.canonicalize().expect("a path");
    let copied = place.path("copies").join(site.strip_prefix("/").expect("it is absolute"));
    assert_eq!(std::fs::read(copied.join("images/a.png")).expect("a copy"), [0; 1000]);
}

#[test]
fn batches_are_started_and_polled() {
    let place = Place::of("process_batch");
    let server = place.served(&["--work-ms", "0"]);
    let lines = r#"[{"Sku": "A-1", "Quantity": 2}]"#;
    assert_eq!(client(&server, &["start", "/api/batches", lines]), r#"{"Processed": 1, "Reserved": 1, "Total": 19.98}"#);
    let place = Place::of("batch_processing");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--work-ms", "0"];
    let server = Served::start(place.program(&serve).stderr(std::process::Stdio::null()));
    let printed = client(&server, &["start", "/api/StartBatchProcessing"]);
    assert!(
        printed.starts_with(r#"{"TotalProcessed": 100, "SuccessCount": 100, "FailureCount": 0, "CompletedAt": "#),
        "{printed}"
    );
}
