//! The example `rate_limited_api` as a program: nothing is lost and nothing goes over the limit, whatever the API or a kill does.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use support::block_on;
use support::programs::{Place, Served};

/// The API of `rate_limited_api` on a free port, and its address.
fn api(place: &Place, arguments: &[&str]) -> (Served, String) {
    let api = Served::start(&mut place.program(&[&["api", "--listen", "127.0.0.1:0"], arguments].concat()));
    let address = api.host.clone();
    (api, address)
}

/// The results of `rate_limited_api`.
fn results(place: &Place) -> BTreeMap<u64, Value> {
    let text = fs::read_to_string(place.path("results.json")).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).expect("the results are JSON at any time")
}

/// Whether messages 1 to `count` and no others have succeeded.
fn have_succeeded(place: &Place, count: u64) -> bool {
    let results = results(place);
    results.keys().copied().eq(1..=count) && results.values().all(|result| result["Status"] == "Succeeded")
}

/// Whether nothing is left in its queue.
fn is_drained(place: &Place) -> bool {
    let queue = rusqlite::Connection::open(place.path("queue.db")).expect("the queue");
    queue.query_row("SELECT count(*) = 0 FROM messages", [], |row| row.get(0)).expect("a count")
}

/// A server that gives these answers, the last one again and again, and when it was asked.
fn server_that_answers(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<Instant>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let calls = Arc::<Mutex<Vec<Instant>>>::default();
    let counted = calls.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            let mut calls = counted.lock().expect("nobody panics with it");
            let answer = answers[calls.len().min(answers.len() - 1)];
            calls.push(Instant::now());
            let _ = connection.read(&mut [0; 4096]);
            let _ = write!(connection, "HTTP/1.1 {answer}");
        }
    });
    (address, calls)
}

const DOWN: &str = "503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const WAIT: &str = "429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const PRAISE: &str = "200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\nConnection: close\r\n\r\n\"praise\"";

async fn post(url: &str, body: &Value) -> Response {
    reqwest::Client::new().post(url).json(body).send().await.expect("the server answers")
}

async fn get(url: &str) -> Value {
    let answer = reqwest::get(url).await.expect("the server answers");
    answer.json().await.expect("the answer is JSON")
}

/// Asks until the run at a location has ended, and gives its output.
async fn output(location: &str) -> Value {
    let begun = Instant::now();
    loop {
        let status = get(location).await;
        match status["runtimeStatus"].as_str().expect("a status") {
            "Pending" | "Running" => {}
            ended => {
                assert_eq!(ended, "Completed", "{status}");
                return status["output"].clone();
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "a minute, and not yet the end: {status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn stays_below_the_limit_and_gets_over_broken_calls_and_cut_connections() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &["--flaky", "7", "--cut", "5"]);
    place.run(&["fill", "--count", "35"]);
    let text = place.run(&["work", "--api", &address]);
    assert!(text.contains("35 succeeded, 0 failed in "), "{text}");
    // Of n calls n / 7 break and n / 5 of the rest are cut: 35 answers take 51.
    assert!(text.contains("the API: 35 answered, 0 over the limit, 7 broken, 9 cut"), "{text}");
    assert!(text.contains("the API: at most 51 in a minute"), "{text}");
    assert!(have_succeeded(&place, 35) && is_drained(&place));
    let labels = [1, 2, 3].map(|id| results(&place)[&id].clone());
    assert_eq!(labels, ["complaint", "question", "praise"].map(|label| json!({ "Status": "Succeeded", "Label": label })));
}

#[test]
fn loses_nothing_to_an_api_that_takes_less() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &["--per-minute", "300"]);
    place.run(&["fill", "--count", "18"]);
    let text = place.run(&["work", "--api", &address]);
    assert!(text.contains("18 succeeded, 0 failed in ") && !text.contains(" 0 over the limit"), "{text}");
    assert!(have_succeeded(&place, 18) && is_drained(&place));
}

#[test]
fn calls_again_no_earlier_than_the_api_asks_for() {
    let place = Place::of("rate_limited_api");
    place.run(&["fill", "--count", "1"]);
    let (address, calls) = server_that_answers(&[WAIT, PRAISE, DOWN]);
    let text = place.run(&["work", "--api", &address]);
    assert!(text.contains("1 succeeded, 0 failed in "), "{text}");
    let calls = calls.lock().expect("nobody panics with it");
    // The first backoff of the program is a quarter of a second.
    assert!(calls[1] - calls[0] >= Duration::from_secs(1), "{:?}", calls[1] - calls[0]);
}

#[test]
fn opens_no_more_calls_at_once_than_it_may_whatever_the_rate() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &["--latency", "100", "--per-minute", "60000"]);
    place.run(&["fill", "--count", "40"]);
    let text = place.run(&["work", "--api", &address, "--per-minute", "60000", "--at-once", "4"]);
    assert!(text.contains("40 succeeded, 0 failed in ") && text.contains(" in a minute, 4 at once"), "{text}");
}

#[test]
fn keeps_what_has_failed_in_the_queue() {
    let place = Place::of("rate_limited_api");
    place.run(&["fill", "--count", "3"]);
    let (down, calls) = server_that_answers(&[DOWN]);
    let text = place.run(&["work", "--api", &down, "--store", "sqlite:elsewhere.db"]);
    assert!(place.path("elsewhere.db").exists() && !place.path("rate_limited_api.db").exists());
    assert!(text.contains("0 succeeded, 3 failed in ") && text.contains("run this again"), "{text}");
    // The counts are asked for once, at the end.
    assert_eq!(calls.lock().expect("nobody panics with it").len(), 3 * 5 + 1, "five attempts for each message");
    let results = results(&place);
    assert!(results.keys().copied().eq(1..=3) && !is_drained(&place));
    for result in results.values() {
        assert!(result["Status"] == "Failed" && result["Error"].as_str().is_some_and(|why| why.contains("503")), "{result}");
    }

    let (_api, address) = api(&place, &[]);
    assert!(place.run(&["work", "--api", &format!("{address}/")]).contains("3 succeeded, 0 failed in "));
    assert!(have_succeeded(&place, 3) && is_drained(&place));
}

#[test]
fn goes_on_after_a_kill_and_loses_nothing() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &[]);
    place.run(&["fill", "--count", "50"]);
    place.killed(&["work", "--api", &address], "a stored batch", || results(&place).len() >= 10);
    assert!(results(&place).len() < 50 && !is_drained(&place));

    let text = place.run(&["work", "--api", &address]);
    assert!(text.contains("going on\n50 succeeded, 0 failed in ") && text.contains(" 0 over the limit"), "{text}");
    assert!(have_succeeded(&place, 50) && is_drained(&place));
    let answered = text.split_once("the API: ").and_then(|(_, rest)| rest.split_once(" answered")).map(|(count, _)| count);
    let answered: u64 = answered.and_then(|count| count.parse().ok()).expect("a count");
    assert!((50..60).contains(&answered), "only what was under way is asked again: {text}");
}

/// Each batch is an orchestration of its own, whose output is a map of its items to their final statuses.
#[test]
fn a_served_queue_is_drained_on_request_through_two_kills() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &["--per-minute", "6000"]);
    place.run(&["fill", "--count", "100"]);
    let arguments = ["--api", &address, "--per-minute", "6000", "--every", "3600"];
    let mut server = place.served(&arguments);
    let path = block_on(async {
        let answer = post(&format!("{}/api/drain", server.host), &Value::Null).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let location = answer.headers()["location"].to_str().expect("a URL").to_owned();
        assert_eq!(answer.json::<Value>().await.expect("the URLs")["statusQueryGetUri"], location);
        location.strip_prefix(&server.host).expect("it is of this server").to_owned()
    });
    for stored in [20, 60] {
        assert!(server.run_until("stored batches", || results(&place).len() >= stored));
        assert!(server.kill() && !is_drained(&place));
        server = place.served(&arguments);
    }
    block_on(async {
        assert_eq!(output(&format!("{}{path}", server.host)).await, json!({ "Succeeded": 100, "Failed": 0 }));
        assert!(have_succeeded(&place, 100) && is_drained(&place));

        let list = get(&format!("{}/runtime/webhooks/durabletask/instances?top=1000", server.host)).await;
        let batches = list.as_array().expect("a list").iter().filter(|run| run["name"] == "work_batch");
        let mut items: Vec<u64> = Vec::new();
        for batch in batches {
            let statuses = batch["output"].as_object().expect("a map");
            assert!(statuses.len() <= 10 && statuses.values().all(|status| status["Status"] == "Succeeded"), "{batch}");
            items.extend(statuses.keys().map(|id| id.parse::<u64>().expect("an id")));
        }
        items.sort_unstable();
        assert!(items.iter().copied().eq(1..=100), "each item is in one batch: {items:?}");

        let counts = get(&format!("{address}/counts")).await;
        assert_eq!(counts["over_limit"], 0, "{counts}");
        assert!(counts["answered"].as_u64().is_some_and(|answered| (100..=120).contains(&answered)), "{counts}");
    });
}

#[test]
fn a_served_queue_is_drained_on_a_schedule() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &[]);
    let arguments = ["--api", &address, "--every", "1"];
    for count in [5, 9] {
        // The second time the schedule is there already.
        let mut server = place.served(&arguments);
        place.run(&["fill", "--count", &(count - results(&place).len() as u64).to_string()]);
        assert!(server.run_until("the end of the queue", || have_succeeded(&place, count)));
        server.interrupt();
        assert!(server.ended().0 && is_drained(&place));
    }
}

/// What a run that was terminated had taken is taken again, and no two runs have the same message.
#[test]
fn drains_beside_and_after_others_lose_nothing_and_do_nothing_twice() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &["--latency", "20", "--per-minute", "6000"]);
    place.run(&["fill", "--count", "60"]);
    let server = place.served(&["--api", &address, "--per-minute", "6000", "--every", "3600"]);
    let route = format!("{}/api/drain", server.host);
    block_on(async {
        let first = post(&route, &Value::Null).await.json::<Value>().await.expect("the URLs");
        let url = |name: &str| first[name].as_str().expect("a URL").to_owned();
        while get(&url("statusQueryGetUri")).await["runtimeStatus"] == "Pending" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        post(&url("terminatePostUri").replace("{text}", "enough"), &Value::Null).await;
        while get(&url("statusQueryGetUri")).await["runtimeStatus"] != "Terminated" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..3 {
            let next = post(&route, &Value::Null).await.json::<Value>().await.expect("the URLs");
            output(next["statusQueryGetUri"].as_str().expect("a URL")).await;
        }
    });
    assert!(have_succeeded(&place, 60) && is_drained(&place));
}

#[test]
fn refuses_a_batch_of_more_than_ten() {
    let place = Place::of("rate_limited_api");
    let server = place.served(&["--every", "3600"]);
    let batch: Vec<_> = (0..11).map(|id| json!({ "id": id, "text": "" })).collect();
    block_on(async {
        let path = format!("{}/orchestrators/work_batch?timeout=20&pollingInterval=1", server.host);
        let status = post(&path, &json!(batch)).await.json::<Value>().await.expect("a status");
        assert_eq!(
            (&status["runtimeStatus"], &status["output"]),
            (&json!("Failed"), &json!("a batch holds at most 10 messages, got 11"))
        );
    });
}

#[test]
fn names_results_that_are_damaged() {
    let place = Place::of("rate_limited_api");
    place.run(&["fill", "--count", "1"]);
    fs::write(place.path("results.json"), "{1: 2}").expect("a file");
    let (_api, address) = api(&place, &[]);
    let (good, text) = place.ends(&["work", "--api", &address]);
    assert!(!good && text.contains("could not read `./results.json`: key must be a string"), "{text}");
    assert!(!is_drained(&place));
}

#[test]
fn refuses_an_address_that_is_none() {
    let place = Place::of("rate_limited_api");
    for (address, why) in [("nonsense", "relative URL"), ("localhost:7099", "neither with http://"), ("ftp://host", "neither")] {
        let (good, text) = place.ends(&["work", "--api", address]);
        assert!(!good && text.contains(&format!("invalid value '{address}' for '--api <URL>'")) && text.contains(why), "{text}");
    }
    assert!(!place.path("rate_limited_api.db").exists(), "it has not begun");
}
