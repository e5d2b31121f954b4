//! `historyEvents`.

use serde_json::{Value, json};

use crate::server::{Response, Server};

#[tokio::test]
async fn a_history_is_shown_as_there() {
    let server = Server::new().await;
    server.run("parent", "p", "4").await;
    assert_eq!(server.get("/instances/p").await.json().get("historyEvents"), None);

    let rows = |response: Response| response.json()["historyEvents"].as_array().expect("rows").clone();
    let is_ticks = |time: &Value| time.as_str().is_some_and(|text| text.len() == "2026-01-02T03:04:05.1234567Z".len());
    let shown = rows(server.get("/instances/p?showHistory=true&showHistoryOutput=true").await);
    let mut without_times = shown.clone();
    for row in &mut without_times {
        assert_eq!((row.get("EventId"), row.get("IsPlayed"), row.get("TaskScheduledId")), (None, None, None));
        for key in ["Timestamp", "ScheduledTime", "FireAt"] {
            if let Some(time) = row.get(key) {
                assert!(is_ticks(time), "{row}");
                row.as_object_mut().expect("a row").remove(key);
            }
        }
        if let Some(details) = row.get_mut("FailureDetails") {
            assert_eq!((&details["ErrorMessage"], &details["IsNonRetriable"]), (&json!("no"), &json!(false)));
            *details = json!(true);
        }
    }
    let expected = json!([
        {"EventType": "ExecutionStarted", "FunctionName": "parent", "Input": "4"},
        {"EventType": "SubOrchestrationInstanceCompleted", "Result": [8], "FunctionName": "fan_out", "Input": "[4]"},
        {"EventType": "TimerCreated"},
        {"EventType": "TimerFired"},
        {"EventType": "SubOrchestrationInstanceFailed", "FunctionName": "fails", "Input": "\"no\"", "Reason": "no", "Details": "", "FailureDetails": true},
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed", "Result": 9},
    ]);
    assert_eq!(Value::from(without_times), expected);
    let timers: Vec<_> = shown.iter().filter_map(|row| row.get("FireAt")).collect();
    assert_eq!((timers.len(), timers[0]), (2, timers[1]));

    for row in rows(server.get("/instances/p?showHistory=true&showInput=false").await) {
        assert_eq!((row.get("Input"), row.get("Result")), (None, None), "{row}");
    }
    server.waiting("w").await;
    server.post("/instances/w/raiseEvent/go", "40").await.expect_bare(202);
    let raised = rows(server.get("/instances/w?showHistory=true").await).pop().expect("a row");
    assert_eq!((&raised["EventType"], &raised["Name"], &raised["Input"]), (&json!("EventRaised"), &json!("go"), &json!("40")));
}
