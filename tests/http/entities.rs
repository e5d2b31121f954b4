//! `/entities`.

use dacapo::http::{Api, Role};
use dacapo::{Client, Runtime};
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Response, Server};
use crate::{Counter, GO, locks};

/// The keys of a list.
fn keys(page: &Response) -> Vec<String> {
    let page = page.json();
    let key = |entity: &Value| entity["entityId"]["key"].as_str().expect("a key").to_owned();
    page.as_array().expect("a list").iter().map(key).collect()
}

#[tokio::test]
async fn a_state_is_read_raw() {
    let server = Server::new().await;
    server.get("/entities/counter/a").await.expect_bare(404);
    server.client.call(Counter::at("a").add(3)).await.expect("it adds");
    let read = server.get("/entities/counter/a").await.expect(200);
    assert_eq!((read.json(), read.text.as_str()), (json!({"value": 3, "note": ""}), r#"{"value":3,"note":""}"#));
    // The case of a name says nothing, that of a key does.
    server.get("/Entities/COUNTER/a").await.expect(200);
    for nothing in ["counter/A", "counter/b", "counter/$", "counter/a%2Fb", "nobody/a", "cou%40nter/a"] {
        server.get(&format!("/entities/{nothing}")).await.expect_bare(404);
    }
    server.client.call(Counter::at("a").delete()).await.expect("it is deleted");
    server.get("/entities/counter/a").await.expect_bare(404);
}

#[tokio::test]
async fn operations_are_signalled_with_json_text_or_nothing() {
    let server = Server::new().await;
    let state = async |key: &str| server.get(&format!("/entities/counter/{key}")).await.expect(200).json();
    server.post("/entities/counter/a?op=add", " 20 ").await.expect_bare(202);
    server.post("/ENTITIES/Counter/a?OP=add&code=x", "22").await.expect_bare(202);
    assert_eq!(state("a").await, json!({"value": 42, "note": ""}));
    server.post("/entities/counter/a?op=add_and_note", r#"{"n": 1, "text": "both"}"#).await.expect_bare(202);
    assert_eq!(state("a").await, json!({"value": 43, "note": "both"}));
    for content_type in [Some("text/plain; charset=utf-8"), Some("text/csv"), None] {
        let request = server.http.post(server.url("/entities/counter/a?op=note")).body("no [JSON");
        let request = content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
        server.send(request).await.expect_bare(202);
        assert_eq!(state("a").await["note"], "no [JSON");
        server.post("/entities/counter/a?op=note", "\"\"").await.expect_bare(202);
    }
    server.post("/entities/counter/a?op=reset", "").await.expect_bare(202);
    server.ask(Method::POST, "/entities/counter/a?op=reset").await.expect_bare(202);
    assert_eq!(state("a").await["value"], 0);
    // A key is decoded once, and may hold what an instance id may.
    server.post("/entities/counter/%C3%B6%20%2525@?op=add", "1").await.expect_bare(202);
    assert_eq!(keys(&server.get("/entities").await), ["a", "ö %25@"]);
    assert_eq!(state("ö%20%2525%40").await["value"], 1);
}

#[tokio::test]
async fn a_wrong_signal_is_refused_and_makes_nothing() {
    let server = Server::new().await;
    let refused = server.post("/entities/counter/a?op=add", "[1,").await;
    let why = refused.expect_error(400, "Could not parse JSON content: ");
    assert!(why.contains("EOF"), "{why}");
    let says = async |path: &str, expected: &str| {
        let refused = server.post(path, "1").await.expect(400).json();
        assert!(refused["Message"].as_str().is_some_and(|text| text.contains(expected)), "{refused}");
    };
    says("/entities/nobody/a?op=add", "no entity named `nobody` is registered with the worker; registered: counter").await;
    says("/entities/counter/a?op=subtract", "no operation `subtract` in this process; those it has: add, ").await;
    says("/entities/counter/a", "write its name as `?op=`").await;
    says("/entities/counter/a%2Fb?op=add", "cannot be an instance id").await;
    says("/entities/counter/$?op=add", "`$` is how a path spells the empty key").await;
    assert!(server.delete("/entities/counter/%24").await.expect(400).text.contains("the empty key"));
    server.post("/entities/counter/a?op=delete", "{").await.expect_error(400, "Could not parse JSON content: ");
    says(&format!("/entities/counter/{}?op=add", "x".repeat(250)), "longer than 256 characters").await;
    assert!(server.delete("/entities/nobody/a").await.expect(400).text.contains("no entity named `nobody`"));
    let bytes = server.http.post(server.url("/entities/counter/a?op=note")).body(vec![0xFF]);
    assert!(server.send(bytes).await.expect(400).text.contains("the body is no text"));
    assert_eq!(keys(&server.get("/entities").await), [""; 0]);
    for (method, path) in [
        (Method::PUT, "/entities/counter/a"),
        (Method::HEAD, "/entities/counter/a"),
        (Method::OPTIONS, "/entities"),
        (Method::POST, "/entities/counter"),
        (Method::DELETE, "/entities/counter"),
        (Method::DELETE, "/entities"),
        (Method::GET, "/entities/counter/a/b"),
        (Method::GET, "/entities//a"),
    ] {
        server.ask(method, path).await.expect_bare(404);
    }
}

#[tokio::test]
async fn entities_are_listed_in_pages_and_by_time() {
    let server = Server::new().await;
    for key in ["a", "ä", "b", "c", "d"] {
        server.client.signal(Counter::at(key).add(1)).await.expect("it is told");
    }
    server.client.call(Counter::at("d").delete()).await.expect("it is deleted");
    server.waiting("w").await;

    let all = server.get("/entities").await.expect(200);
    assert_eq!(all.header("x-ms-continuation-token"), Some(""));
    let mut first = all.json()[0].take();
    let time = first["lastOperationTime"].take();
    assert!(time.as_str().is_some_and(|time| time.len() == "2026-01-02T03:04:05.1234567Z".len()), "{time}");
    assert_eq!(
        first,
        json!({"entityId": {"name": "counter", "key": "a"}, "lastOperationTime": null, "state": null}),
        "a state is shown when it is asked for"
    );
    assert_eq!(server.get("/entities?FETCHSTATE=True").await.json()[0]["state"], json!({"value": 1, "note": ""}));

    for path in ["/entities?top=2", "/entities/Counter/?top=2&fetchState=true"] {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = server.http.get(server.url(path)).header("x-ms-continuation-token", &token);
            let page = server.send(page).await.expect(200);
            assert!(keys(&page).len() <= 2);
            seen.extend(keys(&page));
            page.header("x-ms-continuation-token").expect("it is always there").clone_into(&mut token);
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "ä"]);
    }
    for name in ["nobody", "counter%40", "%40"] {
        assert_eq!(keys(&server.get(&format!("/entities/{name}")).await), [""; 0]);
    }
    let b = server.get("/entities?top=2").await.json()[1]["lastOperationTime"].as_str().expect("a time").to_owned();
    assert_eq!(keys(&server.get(&format!("/entities?lastOperationTimeFrom={b}")).await), ["b", "c"]);
    assert_eq!(keys(&server.get(&format!("/entities?lastOperationTimeTo={b}")).await), ["a", "ä"]);
    for wrong in ["lastOperationTimeFrom=yesterday", "top=0", "top=10001", "top=many"] {
        server.get(&format!("/entities?{wrong}")).await.expect_error(400, "One or more of the arguments submitted is incorrect");
    }
    let forged = server.http.get(server.url("/entities")).header("x-ms-continuation-token", "forged");
    server.send(forged).await.expect(400);

    // They are no orchestrations.
    for list in ["/instances", "/instances?instanceIdPrefix=%40", "/instances?instanceIdPrefix=%40counter%40"] {
        let page = server.get(list).await.expect(200);
        assert!(!page.text.contains('@'), "{}", page.text);
    }
}

#[tokio::test]
async fn an_entity_is_deleted_and_purged() {
    let server = Server::new().await;
    server.post("/entities/counter/a?op=add", "1").await.expect_bare(202);
    server.delete("/entities/counter/a").await.expect_bare(202);
    server.get("/entities/counter/a").await.expect_bare(404);
    server.delete("/entities/counter/a").await.expect_bare(202);
    server.post("/entities/counter/a?op=add", "1").await.expect_bare(202);
    server.post("/entities/counter/a?op=Delete", "").await.expect_bare(202);
    server.get("/entities/counter/a").await.expect_bare(404);

    server.post("/entities/counter/a?op=add", "1").await.expect_bare(202);
    assert_eq!(server.delete("/instances/@counter@a").await.expect(200).json(), json!({"instancesDeleted": 1}));
    server.get("/entities/counter/a").await.expect_bare(404);
    server.delete("/instances/%40counter%40a").await.expect_bare(404);
    server.post("/entities/counter/a?op=add", "5").await.expect_bare(202);
    assert_eq!(server.get("/entities/counter/a").await.json()["value"], 5, "it begins anew");

    server.post("/orchestrators/locks/l", "\"a\"").await.expect(202);
    let locked = async || server.get("/instances/l").await.json()["customStatus"] == "locked";
    while !locked().await {
        tokio::task::yield_now().await;
    }
    let refused = server.delete("/instances/@counter@a").await.expect(412).json();
    assert!(refused.as_str().is_some_and(|text| text.contains("in a critical section of `l`")), "{refused}");
    server.client.attach(locks, "l").raise(GO, 1).await.expect("it is told");
    server.ended("l").await;
    assert_eq!(server.get("/entities/counter/a").await.json()["value"], 5);
    for (operation, status) in [("terminate", 400), ("suspend", 400), ("resume", 400), ("rewind", 412), ("restart", 400)] {
        server.post(&format!("/instances/@counter@a/{operation}"), "").await.expect(status);
    }
}

#[tokio::test]
async fn roles_hold_for_entities() {
    let keys = |api: Api| api.key(Role::Read, "read").key(Role::Start, "start").key(Role::Manage, "manage");
    let server = Server::with(keys, Api::router).await;
    server.get("/entities").await.expect(401);
    server.get("/entities/counter/a?code=wrong").await.expect(401);
    server.post("/entities/counter/a?op=add&code=read", "1").await.expect(403);
    server.post("/entities/counter/a?op=add&code=start", "1").await.expect_bare(202);
    server.post("/entities/counter/a?op=delete&code=start", "").await.expect(403);
    server.delete("/entities/counter/a?code=start").await.expect(403);
    for path in ["/entities", "/entities/counter", "/entities/counter/a"] {
        server.get(&format!("{path}?code=read")).await.expect(200);
    }
    server.delete("/instances/@counter@a?code=start").await.expect(403);
    server.delete("/entities/counter/a?code=manage").await.expect_bare(202);
    server.get("/entities/counter/a?code=read").await.expect_bare(404);
}

/// The worker is in another process, as this client knows it; the signal waits in the store for it.
#[tokio::test]
async fn a_client_without_a_worker_reads_and_signals() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("served.db").display());
    let client = Client::connect(&url).await.expect("it connects");
    let server = Server::with(|api| api, |_| dacapo::http::router(client)).await;
    server.post("/entities/counter/a?op=add", "4").await.expect(400);
    Runtime::open(&url).await.expect("it opens").shutdown().await.expect("it closes");
    server.post("/entities/Counter/a?op=add", "4").await.expect_bare(202);
    server.get("/entities/counter/a").await.expect_bare(404);
    let worker = Runtime::open(&url).await.expect("it opens");
    assert_eq!(worker.call(Counter::at("a").add(1)).await.expect("it adds"), 5);
    assert_eq!(server.get("/entities/counter/a").await.expect(200).json()["value"], 5);
    assert_eq!(keys(&server.get("/entities/counter").await), ["a"]);
    let refused = server.delete("/instances/@counter@a").await.expect(400);
    assert!(refused.text.contains("only the process of the worker can purge"), "{}", refused.text);
}

/// A page takes no more memory than its part of the bound on bytes in flight, which is 32 KiB here.
#[tokio::test]
async fn a_page_of_long_states_ends_early() {
    let server = Server::with(|api| api.max_bytes_in_flight(1 << 20), |api| api.router()).await;
    for key in ["a", "b", "c", "d", "e"] {
        server.post(&format!("/entities/counter/{key}?op=note"), &format!("\"{}\"", "x".repeat(20_000))).await.expect_bare(202);
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    while seen.is_empty() || !token.is_empty() {
        let page = server.http.get(server.url("/entities?fetchState=true")).header("x-ms-continuation-token", &token);
        let page = server.send(page).await.expect(200);
        assert!(page.text.len() < 50_000, "{} bytes", page.text.len());
        seen.extend(keys(&page));
        page.header("x-ms-continuation-token").expect("it is always there").clone_into(&mut token);
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    assert_eq!(keys(&server.get("/entities").await).len(), 5, "without states they are on one page");
}
