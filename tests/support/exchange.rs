//! The HTTP exchange that Durable Functions describes: a start, 202 with the management URLs, and polling until 200.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::support::programs::Served;

/// Sends a request, with a JSON body if there is one.
pub(crate) async fn send(method: Method, url: &str, body: Option<Value>) -> Response {
    let request = reqwest::Client::new().request(method, url);
    let request = body.iter().fold(request, |request, body| request.json(body));
    request.send().await.expect("the server answers")
}

/// Starts an orchestration, checks every header and member of the 202, and returns the URL of its status.
pub(crate) async fn accepted(server: &Served, path: &str, body: Option<Value>) -> String {
    let answer = send(Method::POST, &format!("{}{path}", server.host), body).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED, "{path}");
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    let (location, retry_after, content_type) = (header("location"), header("retry-after"), header("content-type"));
    assert_eq!((&*retry_after, &*content_type), ("10", "application/json; charset=utf-8"));

    let urls: BTreeMap<String, String> = answer.json().await.expect("the management URLs");
    let instance = format!("{}/runtime/webhooks/durabletask/instances/{}", server.host, urls["id"]);
    let query = "taskHub=dacapo&connection=Storage";
    let expected = [
        ("statusQueryGetUri", format!("{instance}?{query}")),
        ("sendEventPostUri", format!("{instance}/raiseEvent/{{eventName}}?{query}")),
        ("terminatePostUri", format!("{instance}/terminate?reason={{text}}&{query}")),
        ("rewindPostUri", format!("{instance}/rewind?reason={{text}}&{query}")),
        ("suspendPostUri", format!("{instance}/suspend?reason={{text}}&{query}")),
        ("resumePostUri", format!("{instance}/resume?reason={{text}}&{query}")),
        ("restartPostUri", format!("{instance}/restart?{query}")),
        ("purgeHistoryDeleteUri", format!("{instance}?{query}")),
    ];
    assert_eq!(urls.len(), expected.len() + 1, "{urls:?}");
    for (name, url) in expected {
        assert_eq!(urls.get(name), Some(&url), "{name}");
    }
    assert_eq!(location, urls["statusQueryGetUri"]);
    location
}

/// Polls until the answer is 200, checks the members that every status has, and returns its text.
pub(crate) async fn ended(location: &str) -> String {
    let begun = Instant::now();
    loop {
        let answer = send(Method::GET, location, None).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.expect("text");
        let state: BTreeMap<String, Value> = serde_json::from_str(&text).expect("a status");
        let members = "createdTime customStatus input instanceId lastUpdatedTime name output runtimeStatus";
        assert_eq!(state.keys().map(String::as_str).collect::<Vec<_>>().join(" "), members);
        for time in ["createdTime", "lastUpdatedTime"] {
            let time = state[time].as_str().expect("a time");
            assert!(time.len() == "2019-06-29T18:50:55Z".len() && time.ends_with('Z') && &time[10..11] == "T", "{time}");
        }
        if status == StatusCode::OK {
            return text;
        }
        assert_eq!(status, StatusCode::ACCEPTED, "{text}");
        assert_eq!((&headers["retry-after"], headers["location"].to_str().expect("text")), (&"5".parse().expect("5"), location));
        assert!(["Pending", "Running"].contains(&state["runtimeStatus"].as_str().unwrap_or_default()), "{text}");
        assert!(state["output"].is_null(), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(60), "a minute, and not yet ended: {text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The status of what has ended, which must have completed.
pub(crate) async fn completed(location: &str) -> Value {
    let state: Value = serde_json::from_str(&ended(location).await).expect("JSON");
    assert_eq!(state["runtimeStatus"], "Completed", "{state}");
    state
}

/// Why something failed.
pub(crate) async fn failure(location: &str) -> String {
    let state: Value = serde_json::from_str(&ended(location).await).expect("JSON");
    assert_eq!(state["runtimeStatus"], "Failed", "{state}");
    state["output"].as_str().expect("a sentence").to_owned()
}

/// The finished calls of activities in the history of a run, each with its name, input and result.
pub(crate) async fn calls(location: &str) -> Vec<(String, Value, Value)> {
    let answer = send(Method::GET, &format!("{location}&showHistory=true&showHistoryOutput=true"), None).await;
    let state: Value = answer.json().await.expect("a status");
    let events = state["historyEvents"].as_array().expect("a history").iter();
    let calls = events.filter(|event| event["EventType"] == "TaskCompleted");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    calls
        .map(|call| {
            let input = serde_json::from_str(&text(&call["Input"])).expect("an input is JSON text");
            (text(&call["FunctionName"]), input, call["Result"].clone())
        })
        .collect()
}
