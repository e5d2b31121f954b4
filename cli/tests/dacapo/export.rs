//! `export`.

use std::path::Path;

use dacapo::Client;
use serde_json::{Value, json};

use crate::{Place, sum, waits};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_run_is_exported_with_its_history() -> dacapo::Result<()> {
    let place = Place::new().await;
    for n in 0..20 {
        place.runtime.start(sum(n, 1)).id(format!("sum-{n}")).tag("n", n.to_string()).await?.result().await?;
    }
    place.runtime.start(waits(1)).id("waiting").await?;
    let all = lines(&place.text(&["export"]).await);
    assert_eq!(all.len(), 21);
    let last = all.iter().find(|run| run["instanceId"] == "sum-19").expect("it is there");
    assert_eq!((&last["output"], &last["input"]["a"], &last["tags"]["n"]), (&json!(22), &json!(19), &json!("19")));
    let events = last["history"].as_array().expect("turns").iter().flat_map(|turn| turn["events"].as_array().expect("events"));
    let names: Vec<_> = events.flat_map(|event| event.as_object().expect("an event").keys().cloned()).collect();
    assert_eq!(
        names,
        ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"]
    );

    let file = place.file("runs.jsonl");
    assert_eq!(place.text(&["export", "--status", "completed", "--output", &file]).await, format!("20 exported to {file}\n"));
    assert_eq!(lines(&std::fs::read_to_string(&file)?).len(), 20);
    assert!(!Path::new(&format!("{file}.part")).exists());
    let (code, said) = place.refused(&["export", "-o", "/nowhere/at/all"]).await;
    assert!(code == 1 && said.starts_with("error: could not write to `/nowhere/at/all`: No such file"), "{said}");
    Ok(())
}

/// Runs are started, end and are purged while they are exported: each line is whole, and what stays is there.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_while_the_worker_does() -> dacapo::Result<()> {
    let place = Place::new().await;
    for n in 0..200 {
        place.runtime.start(sum(n, 1)).id(format!("old-{n}")).await?.result().await?;
    }
    let client: Client = place.runtime.client();
    let busy = tokio::spawn(async move {
        for n in 0_u32.. {
            let id = format!("new-{n}");
            let Ok(run) = client.start(sum(n, 1)).id(&id).await else { break };
            if run.result().await.is_err() || client.purge(id).await.is_err() {
                break;
            }
        }
    });
    for _ in 0..3 {
        let all = lines(&place.text(&["export"]).await);
        let old = all.iter().filter(|run| run["instanceId"].as_str().is_some_and(|id| id.starts_with("old-")));
        assert_eq!(old.count(), 200);
    }
    busy.abort();
    Ok(())
}
