//! `suspend`, `resume`, `terminate`, `rewind`, `restart`, `purge`.

use dacapo::Status;
use serde_json::json;

use crate::wait::reaches;
use crate::{Place, either, reads, sum, waits};

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_suspended_resumed_and_terminated() -> dacapo::Result<()> {
    let place = Place::new().await;
    let status = async |id: &str| place.runtime.status(id).await.map(|status| status.runtime_status());
    for id in ["a", "b"] {
        place.runtime.start(waits(2)).id(id).await?;
    }
    assert_eq!(place.text(&["suspend", "a", "b", "--reason", "incident"]).await, "a: asked to suspend\nb: asked to suspend\n");
    reaches(&place.runtime, "b", Status::Suspended).await;
    assert_eq!(place.json(&["resume", "a"]).await, json!([{ "instanceId": "a", "done": "asked to resume" }]));
    place.text(&["raise", "a", "go", "4"]).await;
    assert_eq!(place.text(&["wait", "a"]).await.split_whitespace().last(), Some("8"));
    // One that is refused does not keep the others from it.
    let said = place.tool(&["terminate", "a", "b", "nobody", "--reason", "enough"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, "b: asked to terminate\n"), "{said:?}");
    assert!(said.err.contains("`a` has completed already") && said.err.contains("the id `nobody`"), "{said:?}");
    let (code, _) = place.refused(&["wait", "b"]).await;
    assert_eq!((code, status("b").await?), (3, Status::Terminated));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_rewound_and_a_finished_one_restarted() -> dacapo::Result<()> {
    let place = Place::new().await;
    let file = place.file("answer");
    place
        .runtime
        .start(reads(file.clone()))
        .id("reads")
        .tag("tenant", "acme")
        .await?
        .result()
        .await
        .expect_err("the file is not there");
    std::fs::write(&file, "found")?;
    place.text(&["rewind", "reads", "--reason", "it is there now"]).await;
    assert_eq!(place.text(&["wait", "reads"]).await.split_whitespace().last(), Some("\"found\""));
    let shown = place.text(&["show", "reads"]).await;
    assert!(shown.contains("rewound") && shown.contains("2 attempts"), "{shown}");
    let (code, said) = place.refused(&["rewind", "reads"]).await;
    assert!(code == 1 && said.contains("only a failed orchestration can be rewound"), "{said}");

    assert_eq!(place.text(&["restart", "reads"]).await, "reads\n");
    assert_eq!(place.text(&["restart", "reads", "--id", "again"]).await, "again\n");
    let made = place.json(&["restart", "reads", "--new-id"]).await["instanceId"].as_str().expect("an id").to_owned();
    for id in ["reads", "again", &made] {
        let ended = place.runtime.wait(id).await?;
        assert_eq!((ended.runtime_status(), ended.tags()["tenant"].as_str()), (Status::Completed, "acme"), "{id}");
    }
    assert_eq!(place.refused(&["restart", "reads", "--id", "x", "--new-id"]).await.0, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_one_lane_however_often_a_rewind_makes_it_again() -> dacapo::Result<()> {
    let place = Place::new().await;
    let (one, other) = (place.file("one"), place.file("other"));
    place.runtime.start(either(one, other.clone())).id("either").await?.result().await.expect_err("there is neither file");
    std::fs::write(&other, "found")?;
    place.text(&["rewind", "either"]).await;
    assert_eq!(place.tool(&["wait", "either"]).await.code, 0);
    let shown = place.json(&["show", "either"]).await;
    let lanes = shown["timeline"]["lanes"].as_array().expect("lanes").iter();
    let seen: Vec<_> = lanes.map(|lane| json!([lane["id"], lane["outcome"], lane["attempts"]])).collect();
    assert_eq!(seen, [json!([1, "failed", 2]), json!([2, "completed", 2]), json!([null, "completed", 1])]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_put_aside_and_still_shown() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.start(waits(2)).id("w").await?;
    place.text(&["raise", "w", "go", "\"later\""]).await;
    let mut watch = place.runtime.watch("w");
    while watch.next().await?.is_some_and(|status| status.report().is_none()) {}
    assert!(place.text(&["show", "w"]).await.contains("event 1, `go`, cannot be read"));
    assert_eq!(place.text(&["resume", "w", "--without-event", "1"]).await, "w: asked to resume\n");
    while watch.next().await?.is_some_and(|status| status.runtime_status() != Status::Running) {}
    place.text(&["raise", "w", "go", "21"]).await;
    assert_eq!(place.tool(&["wait", "w"]).await.code, 0);
    assert!(place.text(&["show", "w"]).await.contains("event 1 go \"later\""), "it stays readable");
    assert!(place.text(&["history", "w"]).await.contains("\"later\""));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_counts_first_and_leaves_what_is_not_meant() -> dacapo::Result<()> {
    let place = Place::new().await;
    for n in 0..300 {
        place.runtime.start(sum(n, 1)).id(format!("sum-{n}")).await?;
    }
    place.runtime.start(waits(1)).id("waiting").await?;
    place.runtime.wait("sum-299").await?;
    for n in 0..300 {
        place.runtime.wait(&format!("sum-{n}")).await?;
    }
    for (arguments, expected) in [
        (vec!["purge"], "error: name instances, or filters such as"),
        (vec!["purge", "sum-1", "--all"], "error: name instances, or say which by filters, not both"),
        (vec!["purge", "--status", "running", "--yes"], "error: what is Running cannot be purged"),
        (vec!["purge", "waiting"], "error: cannot purge: the orchestration `waiting` has not finished"),
    ] {
        let (code, said) = place.refused(&arguments).await;
        assert!(code == 1 && said.starts_with(expected), "{arguments:?}: {said}");
    }
    for filter in [
        ["--prefix", ""],
        ["--name", ""],
        ["--parent", ""],
        ["--tag", "=x"],
        ["--status", ""],
        ["--status", "failed,"],
        ["--status", "complete"],
        ["--created-to", ""],
        ["--created-to", "soon"],
    ] {
        let (code, said) = place.refused(&[&["purge", "--yes"], &filter[..]].concat()).await;
        assert!(code == 2 && said.contains(filter[0]), "{filter:?}: {said}");
    }
    assert_eq!(place.text(&["purge", "sum-1"]).await, "sum-1: 1 purged\n");
    assert_eq!(place.text(&["purge", "--prefix", "sum-2"]).await, "111 would be purged; say `--yes` to do it\n");
    assert_eq!(place.json(&["purge", "--all"]).await, json!({ "wouldPurge": 299 }));
    assert_eq!(place.text(&["purge", "--prefix", "sum-2", "--yes"]).await, "111 purged\n");
    assert_eq!(place.json(&["purge", "--all", "--yes"]).await, json!({ "purged": 188, "left": 0 }));
    assert_eq!(place.runtime.counts().await?.total(), 1, "what has not ended is left");
    Ok(())
}
