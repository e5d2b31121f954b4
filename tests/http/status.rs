//! What is told of one run, and of many.

use std::time::Duration;

use dacapo::http::Api;
use serde_json::{Value, json};

use crate::server::{Response, Server};
use crate::{fails, waits};

#[tokio::test]
async fn a_status_says_what_is_known() {
    let server = Server::new().await;
    server.get("/instances/nobody").await.expect_bare(404);

    server.waiting("w").await;
    let running = server.get("/instances/w?showInput=FALSE&code=x").await.expect(202);
    assert_eq!(running.header("location"), Some(server.url("/instances/w?showInput=FALSE&code=x").as_str()));
    assert_eq!(running.header("retry-after"), Some("5"));
    let body = running.json();
    assert_eq!(
        (&body["runtimeStatus"], &body["customStatus"], &body["output"]),
        (&json!("Running"), &json!("waiting"), &Value::Null)
    );

    server.run("fan_out", "f", "[1,2]").await;
    let done = server.get("/instances/f").await.expect(200);
    assert_eq!((done.header("location"), done.header("retry-after")), (None, None));
    let mut body = done.json();
    for key in ["createdTime", "lastUpdatedTime"] {
        let time = body[key].take();
        let time = time.as_str().expect("a time");
        chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%SZ").expect("UTC to the second");
        assert_eq!(time.len(), "2018-02-28T05:18:49Z".len());
    }
    let expected = json!({"name": "fan_out", "instanceId": "f", "runtimeStatus": "Completed", "input": [1, 2], "customStatus": "doubling",
        "output": [2, 4], "createdTime": null, "lastUpdatedTime": null});
    assert_eq!(body, expected);
    assert_eq!(server.get("/instances/f?showInput=false").await.json()["input"], Value::Null);

    server.post("/orchestrators/fails/x", "\"broken\"").await.expect(202);
    server.ended("x").await;
    assert_eq!(server.get("/instances/x").await.expect(200).json()["output"], "broken");
    assert_eq!(
        server.get("/instances/x?ReturnInternalServerErrorOnFailure=True").await.expect(500).json()["runtimeStatus"],
        "Failed"
    );

    server.run("pays", "p", "\"4000 1234\"").await;
    assert_eq!(
        server.get("/instances/p").await.expect(200).json()["output"],
        "declined (call 1 of `charge` with `\"4000 1234\"`)"
    );
    let closed = server.get("/instances/p?showInput=false").await.expect(200);
    assert_eq!((&closed.json()["output"], closed.text.contains("4000")), (&json!("declined"), false));

    for (written, reason) in [("enough%20of%20it", "enough of it"), ("%3A%20%3A%20terminated", ": : terminated")] {
        server.waiting("t").await;
        server.post(&format!("/instances/t/terminate?reason={written}"), "").await.expect_bare(202);
        server.ended("t").await;
        let terminated = server.get("/instances/t").await.expect(200).json();
        assert_eq!((&terminated["runtimeStatus"], &terminated["output"]), (&json!("Terminated"), &json!(reason)));
    }
}

/// A start that is put off, and what befalls it before it is due.
#[tokio::test]
async fn nothing_is_told_of_times_to_come() {
    let server = Server::new().await;
    server.client.start(waits()).id("w").after(Duration::from_secs(3_600)).await.expect("it is put off");
    let told = async |is: &str| {
        let mut status = server.get("/instances/w?showHistory=true").await.json();
        while status["runtimeStatus"] != is {
            tokio::task::yield_now().await;
            status = server.get("/instances/w?showHistory=true").await.json();
        }
        let time = |name: &str| chrono::DateTime::parse_from_rfc3339(status[name].as_str().expect("a time")).expect("a time");
        assert!((time("lastUpdatedTime") - time("createdTime")).num_seconds() < 60, "{status}");
        status["historyEvents"].take()
    };
    assert_eq!(told("Pending").await, Value::Null);
    server.post("/instances/w/suspend", "").await.expect_bare(202);
    assert_eq!(told("Suspended").await, Value::Null);
    server.post("/instances/w/terminate", "").await.expect_bare(202);
    let history = told("Terminated").await;
    assert_eq!((&history[0]["EventType"], &history[1]["EventType"]), (&json!("ExecutionStarted"), &json!("ExecutionTerminated")));
    assert_eq!(history[0]["Timestamp"], history[1]["Timestamp"]);
}

#[tokio::test]
async fn lists_come_in_pages_and_by_filters() {
    let server = Server::new().await;
    for n in 0..5 {
        server.run("fan_out", &format!("ö-{n}"), "[1]").await;
    }
    server.waiting("w").await;
    let ids = |page: &Response| -> Vec<String> {
        let page = page.json();
        page.as_array().expect("a list").iter().map(|run| run["instanceId"].as_str().expect("an id").to_owned()).collect()
    };
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let url = server.url("/instances?TOP=2&instanceIdPrefix=%C3%B6-&showInput=false");
        let page = server.send(server.http.get(url).header("x-ms-continuation-token", &token)).await.expect(200);
        assert_eq!((&page.json()[0]["input"], &page.json()[0]["output"]), (&Value::Null, &json!([2])));
        seen.extend(ids(&page));
        page.header("x-ms-continuation-token").expect("it is always there").clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["ö-0", "ö-1", "ö-2", "ö-3", "ö-4"]);

    assert_eq!(ids(&server.get("/instances/?runtimeStatus=Running,Failed").await), ["w"]);
    assert_eq!(ids(&server.get("/instances?runtimeStatus=Failed&runtimeStatus=running").await), ["w"]);
    assert_eq!(ids(&server.get("/instances?runtimeStatus=Canceled").await), [""; 0]);
    assert_eq!(ids(&server.get("/instances?createdTimeFrom=2999-01-01").await), [""; 0]);
    assert_eq!(ids(&server.get("/instances?createdTimeFrom=2020-01-01T00:00:00Z&createdTimeTo=2999-12-31T10:00").await).len(), 6);
    for wrong in ["createdTimeFrom=yesterday", "top=0", "top=many"] {
        server.get(&format!("/instances?{wrong}")).await.expect_error(400, "One or more of the arguments submitted is incorrect");
    }
    let forged = server.http.get(server.url("/instances")).header("x-ms-continuation-token", "forged");
    server.send(forged).await.expect(400);
}

#[tokio::test]
async fn a_page_of_long_values_ends_early_and_the_next_goes_on() {
    let server = Server::with(|api| api.max_bytes_in_flight(1 << 20), Api::router).await;
    for n in 0..5 {
        server.client.start(fails("x".repeat(20_000))).id(format!("long-{n}")).await.expect("it starts");
    }
    let (mut token, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = server.http.get(server.url("/instances?top=100")).header("x-ms-continuation-token", &token);
        let page = server.send(page).await.expect(200);
        assert!(page.text.len() < 100_000, "{} bytes", page.text.len());
        let ids = page
            .json()
            .as_array()
            .expect("a list")
            .iter()
            .map(|run| run["instanceId"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>();
        seen.extend(ids);
        pages += 1;
        token = page.header("x-ms-continuation-token").expect("it is always there").to_owned();
        if token.is_empty() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, (0..5).map(|n| format!("long-{n}")).collect::<Vec<_>>());
    assert!(pages > 1, "{pages}");
}
