//! The example `rate_limited_api` as a program: nothing is lost and nothing goes over the limit, whatever the API or a kill does.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::programs::{Place, Served};

/// The API of `rate_limited_api` on a free port, and its address.
fn api(place: &Place, arguments: &[&str]) -> (Served, String) {
    let api = Served::start(&mut place.program(&[&["api", "--listen", "127.0.0.1:0"], arguments].concat()));
    let address = api.host.clone();
    (api, address)
}

/// The results of `rate_limited_api`.
fn labels(place: &Place) -> BTreeMap<u64, String> {
    let text = fs::read_to_string(place.path("results.json")).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).expect("the results are JSON at any time")
}

/// Whether nothing is left in its queue.
fn is_drained(place: &Place) -> bool {
    let queue = rusqlite::Connection::open(place.path("queue.db")).expect("the queue");
    queue.query_row("SELECT count(*) = 0 FROM messages", [], |row| row.get(0)).expect("a count")
}

/// A server that answers every request with 503, and how many there were.
fn server_that_is_down() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, calls)
}

#[test]
fn stays_below_the_limit_and_gets_over_broken_calls() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &["--flaky", "7"]);
    place.run(&["fill", "--count", "35"]);
    let text = place.run(&["work", "--api", &address]);
    assert!(text.contains("35 labelled, 0 failed in "), "{text}");
    assert!(text.contains("the API: 35 answered, 0 over the limit, 5 broken, 40 at most in a minute"), "{text}");
    let labels = labels(&place);
    assert!(labels.keys().copied().eq(1..=35) && is_drained(&place), "{labels:?}");
    assert_eq!([&labels[&1], &labels[&2], &labels[&3]], ["complaint", "question", "praise"]);
}

#[test]
fn loses_nothing_to_an_api_that_takes_less() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &["--per-minute", "300"]);
    place.run(&["fill", "--count", "18"]);
    let text = place.run(&["work", "--api", &address]);
    assert!(text.contains("18 labelled, 0 failed in ") && !text.contains(" 0 over the limit"), "{text}");
    assert!(labels(&place).keys().copied().eq(1..=18) && is_drained(&place));
}

#[test]
fn keeps_what_has_failed_in_the_queue() {
    let place = Place::of("rate_limited_api");
    place.run(&["fill", "--count", "3"]);
    let (down, calls) = server_that_is_down();
    let text = place.run(&["work", "--api", &down, "--store", "sqlite:elsewhere.db"]);
    assert!(place.path("elsewhere.db").exists() && !place.path("rate_limited_api.db").exists());
    assert!(text.contains("0 labelled, 3 failed in ") && text.contains("run this again"), "{text}");
    // The counts are asked for once, at the end.
    assert_eq!(calls.load(Ordering::SeqCst), 3 * 5 + 1, "five attempts for each message");
    assert!(labels(&place).is_empty() && !is_drained(&place));

    let (_api, address) = api(&place, &[]);
    assert!(place.run(&["work", "--api", &format!("{address}/")]).contains("3 labelled, 0 failed in "));
    assert!(labels(&place).keys().copied().eq(1..=3) && is_drained(&place));
}

#[test]
fn goes_on_after_a_kill_and_loses_nothing() {
    let place = Place::of("rate_limited_api");
    let (_api, address) = api(&place, &[]);
    place.run(&["fill", "--count", "50"]);
    place.killed(&["work", "--api", &address], "a stored batch", || labels(&place).len() >= 10);
    assert!(labels(&place).len() < 50 && !is_drained(&place));

    let text = place.run(&["work", "--api", &address]);
    assert!(text.contains("going on\n50 labelled, 0 failed in ") && text.contains(" 0 over the limit"), "{text}");
    assert!(labels(&place).keys().copied().eq(1..=50) && is_drained(&place));
    let answered = text.split_once("the API: ").and_then(|(_, rest)| rest.split_once(" answered")).map(|(count, _)| count);
    let answered: u64 = answered.and_then(|count| count.parse().ok()).expect("a count");
    assert!((50..60).contains(&answered), "only what was under way is asked again: {text}");
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
