//! `historyEvents`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo::{Retry, activity, orchestrator};
use serde_json::{Value, json};

use crate::server::{Response, Server};
use crate::{Counter, GO, fails, fan_out, twice, waits};

static LINE_IS_UP: AtomicBool = AtomicBool::new(false);

#[activity(retry = Retry::none())]
async fn dial(number: String) -> Result<usize, String> {
    if LINE_IS_UP.load(Ordering::SeqCst) { Ok(number.len()) } else { Err(format!("{number} is engaged")) }
}

#[activity(retry = Retry::fixed(Duration::from_millis(1)).max_attempts(2))]
async fn stumbles(n: u32) -> Result<u32, String> {
    if dacapo::activity::attempt() == 1 { Err("once".to_owned()) } else { Ok(n) }
}

#[activity]
async fn never_ends(n: u32) -> u32 {
    std::future::pending::<()>().await;
    n
}

/// Does whatever leaves an entry in a history.
#[orchestrator]
async fn everything(execution: u32) -> Result<u32, String> {
    if execution == 1 {
        return dacapo::continue_as_new(everything(2)).await;
    }
    let drawn = dacapo::side_effect(|| 3);
    assert!(dacapo::patched("newer"));
    let doubled = twice(drawn).await;
    dial("110".to_owned()).await?;
    stumbles(doubled).await?;
    let _ = stumbles_for_good().await;
    fan_out(vec![1]).id("child").await;
    let _ = fails("no".to_owned()).id("failed").await;
    dacapo::sleep(Duration::from_millis(1)).await;
    dacapo::set_custom_status("waiting");
    GO.wait().await;
    Counter::at("h").add(5).await;
    Counter::at("h").note("told".to_owned()).signal();
    let _ = Counter::at("h").refuse("never".to_owned()).await;
    let guard = dacapo::lock((Counter::at("h"), Counter::at("i"))).await;
    drop(guard);
    dacapo::set_custom_status("at its last calls");
    let (n, m) = dacapo::join!(never_ends(1), waits().id("open"));
    Ok(n + m)
}

#[activity(retry = Retry::none())]
async fn stumbles_for_good() -> Result<u32, String> {
    Err("for good".to_owned())
}

/// The rows of a history without their times, which have seven digits.
fn timeless(status: &Response) -> Vec<Value> {
    let mut rows = status.json()["historyEvents"].as_array().expect("rows").clone();
    for row in &mut rows {
        let row = row.as_object_mut().expect("a row");
        for key in ["Timestamp", "ScheduledTime", "FireAt"] {
            if let Some(time) = row.get_mut(key) {
                let text = time.as_str().expect("a time");
                chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.fZ").expect("a time of UTC");
                assert_eq!(text.len(), "2026-01-02T03:04:05.1234567Z".len());
                *time = json!(true);
            }
        }
        assert_eq!(row.remove("Timestamp"), Some(json!(true)));
    }
    rows
}

/// Waits until a run says this of itself.
async fn says(server: &Server, id: &str, text: &str) {
    let mut watch = server.client.watch(id);
    let said = format!("\"{text}\"");
    while watch.next().await.expect("it goes on").expect("it has not ended").custom_status().is_none_or(|it| it.as_str() != said)
    {
    }
}

/// What is shown with all flags. An input is the recorded text, a result the value.
fn everything_shown() -> Value {
    let failed = |message: &str, kind: &str| {
        json!({"ErrorType": kind, "ErrorMessage": message, "StackTrace": null, "InnerFailure": null, "IsNonRetriable": false,
            "Properties": null})
    };
    let string = |message: &str| failed(message, "alloc::string::String");
    json!([
        {"EventType": "ExecutionStarted", "FunctionName": "everything", "Input": "2"},
        {"EventType": "GenericEvent", "Name": "SideEffect", "Result": 3},
        {"EventType": "GenericEvent", "Name": "Patched", "Data": "newer"},
        {"EventType": "TaskCompleted", "FunctionName": "twice", "Input": "3", "Result": 6, "ScheduledTime": true},
        {"EventType": "TaskFailed", "FunctionName": "dial", "Input": "\"110\"", "ScheduledTime": true, "Reason": "110 is engaged",
            "Details": "", "FailureDetails": string("110 is engaged")},
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Failed", "Result": "110 is engaged",
            "FailureDetails": string("110 is engaged")},
        {"EventType": "ExecutionRewound", "Reason": "up again"},
        {"EventType": "TaskCompleted", "FunctionName": "dial", "Input": "\"110\"", "Result": 3, "ScheduledTime": true},
        {"EventType": "TaskFailed", "FunctionName": "stumbles", "Input": "6", "ScheduledTime": true, "Reason": "once", "Details": "",
            "FailureDetails": string("once")},
        {"EventType": "TaskCompleted", "FunctionName": "stumbles", "Input": "6", "Result": 6, "ScheduledTime": true},
        {"EventType": "TaskFailed", "FunctionName": "stumbles_for_good", "Input": "null", "ScheduledTime": true, "Reason": "for good",
            "Details": "", "FailureDetails": string("for good")},
        {"EventType": "SubOrchestrationInstanceCompleted", "FunctionName": "fan_out", "Input": "[1]", "Result": [2],
            "ScheduledTime": true},
        {"EventType": "SubOrchestrationInstanceFailed", "FunctionName": "fails", "Input": "\"no\"", "ScheduledTime": true,
            "Reason": "no", "Details": "", "FailureDetails": failed("no", "dacapo::Error")},
        {"EventType": "TimerCreated", "FireAt": true},
        {"EventType": "TimerFired", "FireAt": true},
        {"EventType": "ExecutionSuspended", "Reason": "lunch"},
        {"EventType": "ExecutionResumed", "Reason": "back"},
        {"EventType": "EventRaised", "Name": "go", "Input": "40"},
        {"EventType": "EventSent", "InstanceId": "@counter@h", "Name": "add", "Input": "5"},
        {"EventType": "EventRaised", "Name": "9", "Input": "5"},
        {"EventType": "EventSent", "InstanceId": "@counter@h", "Name": "note", "Input": "\"told\""},
        {"EventType": "EventSent", "InstanceId": "@counter@h", "Name": "refuse", "Input": "\"never\""},
        {"EventType": "EventRaised", "Name": "11", "Reason": "never", "Details": "", "FailureDetails": string("never")},
        {"EventType": "EventSent", "InstanceId": "@counter@h", "Name": "lock"},
        {"EventType": "EventRaised", "Name": "12"},
        {"EventType": "EventSent", "InstanceId": "@counter@h", "Name": "release"},
        {"EventType": "TaskScheduled", "Name": "never_ends", "Input": "1"},
        {"EventType": "SubOrchestrationInstanceCreated", "Name": "waits", "InstanceId": "open", "Input": "null"},
        {"EventType": "ExecutionTerminated", "Input": "enough"},
    ])
}

#[tokio::test]
async fn every_kind_of_entry_is_shown_as_there_in_every_combination_of_flags() {
    let server = Server::new().await;
    server.post("/orchestrators/everything/e", "1").await.expect(202);
    server.ended("e").await;
    LINE_IS_UP.store(true, Ordering::SeqCst);
    server.post("/instances/e/rewind?reason=up%20again", "").await.expect_bare(202);
    says(&server, "e", "waiting").await;
    server.post("/instances/e/suspend?reason=lunch", "").await.expect_bare(202);
    server.post("/instances/e/resume?reason=back", "").await.expect_bare(202);
    server.post("/instances/e/raiseEvent/go", "40").await.expect_bare(202);
    says(&server, "e", "at its last calls").await;
    server.post("/instances/e/terminate?reason=enough", "").await.expect_bare(202);
    server.ended("e").await;
    for (inputs, outputs) in [(true, true), (true, false), (false, true), (false, false)] {
        let path = format!("/instances/e?showHistory=true&showInput={inputs}&showHistoryOutput={outputs}");
        let shown = timeless(&server.get(&path).await.expect(200));
        let mut expected = everything_shown();
        for row in expected.as_array_mut().expect("rows") {
            let row = row.as_object_mut().expect("a row");
            // Events and the reason of an end are shown all the same: what is left out is what runs and calls were given.
            let is_message = ["EventRaised", "EventSent", "ExecutionTerminated"].iter().any(|kind| row["EventType"] == *kind);
            if !inputs && !is_message {
                row.remove("Input");
            }
            if !outputs {
                row.remove("Result");
            }
        }
        assert_eq!(Value::from(shown), expected, "showInput={inputs} showHistoryOutput={outputs}");
    }
}

#[tokio::test]
async fn a_pending_run_has_no_history() {
    let server = Server::new().await;
    let later = server.client.start(fan_out(vec![1])).id("later").after(Duration::from_secs(1_000_000)).await;
    later.expect("it is asked for");
    let answer = server.get("/instances/later?showHistory=true").await.expect(202);
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(answer.header("location"), Some(server.url("/instances/later?showHistory=true").as_str()));
    let status = answer.json();
    assert_eq!((&status["runtimeStatus"], status.get("historyEvents")), (&json!("Pending"), None));
}

#[tokio::test]
async fn a_history_is_shown_when_it_is_asked_for_up_to_its_end() {
    let server = Server::new().await;
    server.run("fan_out", "f", "[4]").await;
    assert_eq!(server.get("/instances/f").await.json().get("historyEvents"), None);
    let shown = timeless(&server.get("/instances/f?SHOWHISTORY=True&showHistoryOutput=true").await);
    let expected = json!([
        {"EventType": "ExecutionStarted", "FunctionName": "fan_out", "Input": "[4]"},
        {"EventType": "TaskCompleted", "FunctionName": "twice", "Input": "4", "Result": 8, "ScheduledTime": true},
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed", "Result": [8]},
    ]);
    assert_eq!(Value::from(shown), expected);
}
