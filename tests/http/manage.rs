//! What is done to a run: events, suspension, its end, its removal.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use serde_json::json;

use crate::server::Server;
use crate::{IS_UP, rings, waits};

#[tokio::test]
async fn events_reach_who_waits_and_nobody_else() {
    let server = Server::new().await;
    server.post("/instances/nobody/raiseEvent/go", "1").await.expect_bare(404);
    server.waiting("w").await;
    server.post("/instances/w/raiseEvent/go", "{").await.expect_error(400, "Invalid JSON content");
    let plain = server.http.post(server.url("/instances/w/raiseEvent/go")).header("content-type", "text/plain").body("1");
    server.send(plain).await.expect_error(400, "Only application/json request content is supported");
    server.post("/instances/w/raiseEvent/go", "40").await.expect_bare(202);
    server.post("/instances/w/RAISEEVENT/go", "2").await.expect_bare(202);
    assert_eq!(server.client.attach(waits, "w").result().await.expect("it ends"), 42);
    server.post("/instances/w/raiseEvent/go", "1").await.expect_bare(410);
}

#[tokio::test]
async fn suspension_and_termination() {
    let server = Server::new().await;
    for operation in ["terminate", "suspend", "resume"] {
        server.post(&format!("/instances/nobody/{operation}"), "").await.expect_bare(404);
    }
    server.waiting("w").await;
    server.post("/instances/w/resume", "").await.expect_bare(202);
    for _ in 0..2 {
        server.post("/instances/w/suspend?reason=lunch", "").await.expect_bare(202);
        let suspended = server.get("/instances/w").await.expect(202);
        assert_eq!((&suspended.json()["runtimeStatus"], suspended.header("retry-after")), (&json!("Suspended"), Some("5")));
    }
    server.post("/instances/w/resume?reason=back", "").await.expect_bare(202);
    assert_eq!(server.get("/instances/w").await.expect(202).json()["runtimeStatus"], "Running");
    server.post("/instances/w/terminate", "").await.expect_bare(202);
    server.ended("w").await;
    for operation in ["terminate", "suspend", "resume"] {
        server.post(&format!("/instances/w/{operation}"), "").await.expect_bare(410);
    }
}

#[tokio::test]
async fn a_failed_run_is_rewound() {
    let server = Server::new().await;
    assert!(server.post("/instances/nobody/rewind", "").await.expect(404).json().is_string());
    server.post("/orchestrators/rings/r", "").await.expect(202);
    server.ended("r").await;
    assert_eq!(server.get("/instances/r").await.expect(200).json()["runtimeStatus"], "Failed");
    IS_UP.store(true, Ordering::SeqCst);
    server.post("/instances/r/rewind?reason=up%20again", "").await.expect_bare(202);
    assert_eq!(server.client.attach(rings, "r").result().await.expect("it ends"), 3);
    let text = server.post("/instances/r/rewind", "").await.expect(412).json();
    assert!(text.as_str().is_some_and(|text| text.contains("Completed")), "{text}");
    let history = server.get("/instances/r?showHistory=true").await.json();
    let rewound = history["historyEvents"].as_array().expect("rows").iter().find(|row| row["EventType"] == "ExecutionRewound");
    assert_eq!(rewound.expect("a row")["Reason"], "up again");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_put_aside() {
    let server = Server::new().await;
    server.post("/orchestrators/calls/c", "\"child\"").await.expect(202);
    server.client.attach(waits, "child").started().await.expect("it starts");
    server.post("/instances/c/raiseEvent/go", "\"text\"").await.expect_bare(202);
    for _ in 0..2 {
        server.post("/instances/child/raiseEvent/go", "1").await.expect_bare(202);
    }
    let mut watch = server.client.watch("c");
    while watch.next().await.expect("it is there").expect("it goes on").report().is_none() {}
    let parked = server.get("/instances/c").await.expect(202).json();
    assert!(parked["report"].as_str().is_some_and(|report| report.contains("event 1, `go`")), "{parked}");
    assert_eq!(server.get("/instances/c?showInput=false").await.json()["report"], json!(null));
    for wrong in ["one", "", "2", "1,x"] {
        let refused = server.post(&format!("/instances/c/resume?withoutEvent={wrong}"), "").await;
        refused.expect_error(400, "One or more of the arguments submitted is incorrect");
    }
    server.post("/instances/c/resume?reason=typo&withoutEvent=1", "").await.expect_bare(202);
    server.post("/instances/c/raiseEvent/go", "40").await.expect_bare(202);
    assert_eq!(server.client.attach(waits, "c").result().await.expect("it ends"), 42);
}

#[tokio::test]
async fn what_has_ended_is_purged() {
    let server = Server::new().await;
    server.delete("/instances/nobody").await.expect_bare(404);
    server.waiting("w").await;
    assert!(server.delete("/instances/w").await.expect(412).json().is_string());
    for id in ["a", "b", "c"] {
        server.run("fan_out", id, "[]").await;
    }
    assert_eq!(server.delete("/instances/a").await.expect(200).json(), json!({"instancesDeleted": 1}));
    server.get("/instances/a").await.expect_bare(404);

    assert_eq!(server.delete("/instances").await.expect(400).json(), "Please provide value for 'createdTimeFrom' parameter.");
    server.delete("/instances?createdTimeFrom=2020-01-01&runtimeStatus=Failed").await.expect_bare(404);
    server.delete("/instances?createdTimeFrom=2020-01-01&createdTimeTo=2020-01-02").await.expect_bare(404);
    assert_eq!(server.delete("/instances?createdTimeFrom=2020-01-01").await.expect(200).json(), json!({"instancesDeleted": 2}));
    assert_eq!(server.get("/instances").await.json().as_array().map(Vec::len), Some(1));

    for named in ["Running,Completed", "Running&runtimeStatus=Canceled"] {
        server.run("fan_out", "d", "[]").await;
        let purged = server.delete(&format!("/instances?createdTimeFrom=2020-01-01&runtimeStatus={named}")).await;
        assert_eq!(purged.status.as_u16(), if named.contains("Completed") { 200 } else { 404 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_purges_at_one_time_one_counts() {
    let server = Server::new().await;
    for round in 0..20 {
        server.run("fan_out", "a", "[]").await;
        server.post("/entities/counter/a?op=add", "1").await.expect_bare(202);
        for purged in ["/instances/a", "/instances/@counter@a", "/instances?createdTimeFrom=2020-01-01"] {
            if purged.contains('?') {
                server.run("fan_out", "a", "[]").await;
            }
            let answers = join_all((0..4).map(|_| server.delete(purged))).await;
            let deleted = answers.into_iter().filter(|answer| answer.status != 404).map(|answer| answer.expect(200).json());
            assert_eq!(deleted.collect::<Vec<_>>(), [json!({"instancesDeleted": 1})], "{purged}, round {round}");
        }
    }
}

#[tokio::test]
async fn an_entity_is_managed_as_none() {
    let server = Server::new().await;
    server.post("/entities/counter/a?op=add", "1").await.expect_bare(202);
    for operation in ["terminate", "suspend", "resume"] {
        server.post(&format!("/instances/@counter@nobody/{operation}"), "").await.expect_bare(404);
        let refused = server.post(&format!("/instances/@counter@a/{operation}"), "").await;
        let why = refused.expect_error(400, "One or more of the arguments submitted is incorrect");
        assert!(why.contains("is an entity"), "{why}");
    }
}
