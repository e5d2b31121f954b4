//! Starts: what is answered, refused, waited for.

use std::time::Duration;

use dacapo::http::Api;
use dacapo::{Client, Runtime};
use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::calls;
use crate::server::{BASE, Server};

#[tokio::test]
async fn a_start_is_answered_with_202_and_the_management_urls() {
    let server = Server::new().await;
    let q = "taskHub=dacapo&connection=Storage";
    let answer = server.post("/orchestrators/fan_out/a%20b%25", "[1,2]").await.expect(202);
    let at = server.url("/instances/a%20b%25");
    assert_eq!(answer.header("location"), Some(format!("{at}?{q}").as_str()));
    assert_eq!(answer.header("retry-after"), Some("10"));
    let expected = json!({
        "id": "a b%",
        "statusQueryGetUri": format!("{at}?{q}"),
        "sendEventPostUri": format!("{at}/raiseEvent/{{eventName}}?{q}"),
        "terminatePostUri": format!("{at}/terminate?reason={{text}}&{q}"),
        "purgeHistoryDeleteUri": format!("{at}?{q}"),
        "restartPostUri": format!("{at}/restart?{q}"),
        "suspendPostUri": format!("{at}/suspend?reason={{text}}&{q}"),
        "resumePostUri": format!("{at}/resume?reason={{text}}&{q}"),
        "rewindPostUri": format!("{at}/rewind?reason={{text}}&{q}"),
    });
    assert_eq!(answer.json(), expected);

    let made = server
        .post("/orchestrators/FAN_OUT?returnInternalServerErrorOnFailure=true&taskHub=a%26b", "[]")
        .await
        .expect(202)
        .json();
    let id = made["id"].as_str().expect("an id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let location = format!(
        "{}?taskHub=a%26b&connection=Storage&returnInternalServerErrorOnFailure=true",
        server.url(&format!("/instances/{id}"))
    );
    assert_eq!(made["statusQueryGetUri"], location);
}

#[tokio::test]
async fn a_wrong_start_is_refused_and_starts_nothing() {
    let server = Server::new().await;
    server.post("/orchestrators/fan_out", "[1,").await.expect_error(400, "Invalid JSON content");
    let unknown = server.post("/orchestrators/nobody", "1").await.expect(400).json();
    assert!(unknown["Message"].as_str().is_some_and(|text| text.contains("no orchestrator named `nobody`")), "{unknown}");
    for id in ["@entity", "a%2Fb", "a%23b", "a%3Fb", "a%0Ab", "a%5Cb", &"x".repeat(257)] {
        let refused = server.post(&format!("/orchestrators/fan_out/{id}"), "[]").await.expect(400).json();
        assert!(refused["Message"].as_str().is_some_and(|text| text.contains("cannot be an instance id")), "{refused}");
    }
    server.post("/orchestrators/fan_out?version=7", "[]").await.expect(400);
    let argument = "One or more of the arguments submitted is incorrect";
    server.post("/orchestrators/fan_out?timeout=1&pollingInterval=2", "[]").await.expect_error(400, argument);
    server.post("/orchestrators/fan_out?timeout=soon&pollingInterval=2", "[]").await.expect_error(400, argument);
    assert_eq!(server.client.counts().await.expect("it counts").total(), 0);
}

#[tokio::test]
async fn an_id_can_be_used_again_when_it_has_ended() {
    let server = Server::new().await;
    server.waiting("one").await;
    let refused = server.post("/orchestrators/waits/one", "").await.expect(409).json();
    assert!(refused["Message"].as_str().is_some_and(|text| text.contains("`one` exists already")), "{refused}");
    server.post("/instances/one/terminate", "").await.expect_bare(202);
    server.ended("one").await;
    server.run("fan_out", "one", "[4]").await;
    let strict = Server::with(|api| api.reuse_id(dacapo::ReuseId::Refuse), Api::router).await;
    strict.run("fan_out", "one", "[4]").await;
    strict.post("/orchestrators/fan_out/one", "[4]").await.expect(409);
}

#[tokio::test]
async fn start_and_wait_gives_the_output_the_status_or_202() {
    let server = Server::new().await;
    let wait = "timeout=20&pollingInterval=0.5";
    let answer = server.post(&format!("/orchestrators/fan_out?{wait}"), "[1,2,3]").await.expect(200);
    assert_eq!(answer.json(), json!([2, 4, 6]));

    let failed = server.post(&format!("/orchestrators/fails/f?{wait}"), "\"broken\"").await.expect(200).json();
    assert_eq!((&failed["runtimeStatus"], &failed["output"]), (&json!("Failed"), &json!("broken")));
    let flag = "returnInternalServerErrorOnFailure=true";
    let failed = server.post(&format!("/orchestrators/fails/g?{wait}&{flag}"), "\"broken\"").await.expect(500).json();
    assert_eq!(failed["instanceId"], "g");

    let late = server.post("/orchestrators/waits/w?timeout=0.05&pollingInterval=0.01", "").await.expect(202);
    assert_eq!((late.header("retry-after"), &late.json()["id"]), (Some("10"), &json!("w")));
    let only_one = server.post("/orchestrators/fan_out?timeout=20", "[1]").await.expect(202);
    assert_eq!(only_one.header("retry-after"), Some("10"));
}

#[tokio::test]
async fn a_run_is_started_again() {
    let server = Server::new().await;
    server.post("/instances/nobody/restart", "").await.expect_error(400, "One or more of the arguments submitted is incorrect");
    server.run("fan_out", "f", "[3]").await;
    let answer = server.post("/instances/f/restart", "").await.expect(202);
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert_ne!(answer.json()["id"], "f");
    let same =
        server.post("/instances/f/restart?restartWithNewInstanceId=false&timeout=20&pollingInterval=1", "").await.expect(200);
    assert_eq!(same.json(), json!([6]));
    server.waiting("w").await;
    server.post("/instances/w/restart?restartWithNewInstanceId=false", "").await.expect(409);
}

#[tokio::test]
async fn bodies_have_limits() {
    let server = Server::with(|api| api.max_body_bytes(10).read_timeout(Duration::from_millis(50)), Api::router).await;
    server.waiting("w").await;
    server.post("/orchestrators/fan_out/a", "[1,2,3]").await.expect(202);
    for path in ["/orchestrators/fan_out/b", "/instances/w/raiseEvent/go", "/entities/counter/b?op=note"] {
        let refused = server.post(path, "[1,2,3,4,5]").await.expect(413).json();
        assert_eq!(refused["Message"], "the body is longer than 10 bytes");

        // A body that is announced and does not come.
        let mut socket = tokio::net::TcpStream::connect(server.address).await.expect("it connects");
        let head = format!("POST {BASE}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n[1");
        socket.write_all(head.as_bytes()).await.expect("it is sent");
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.expect("it is answered");
        assert_eq!(&answer, b"HTTP/1.1 408");

        // One of unknown length.
        let mut socket = tokio::net::TcpStream::connect(server.address).await.expect("it connects");
        let head = format!("POST {BASE}{path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("it is sent");
        socket.write_all(b"b\r\n[1,2,3,4,5]\r\n0\r\n\r\n").await.expect("it is sent");
        socket.read_exact(&mut answer).await.expect("it is answered");
        assert_eq!(&answer, b"HTTP/1.1 413");

        // One that is none.
        let mut socket = tokio::net::TcpStream::connect(server.address).await.expect("it connects");
        socket.write_all(head.as_bytes()).await.expect("it is sent");
        socket.write_all(b"no length\r\n").await.expect("it is sent");
        socket.read_exact(&mut answer).await.expect("it is answered");
        assert_eq!(&answer, b"HTTP/1.1 400");
    }
    server.get("/instances/b").await.expect_bare(404);
    server.get("/entities/counter/b").await.expect_bare(404);
    assert_eq!(server.get("/instances/w").await.json()["customStatus"], "waiting");
}

#[tokio::test]
async fn an_id_may_have_any_letters_and_is_decoded_once() {
    let server = Server::new().await;
    for (written, id) in
        [("%C3%B6%20%E6%97%A5%E6%9C%AC", "ö 日本"), ("a%2520b", "a%20b"), ("a+b&c=d;e", "a+b&c=d;e"), ("%F0%9F%8E%BC", "🎼")]
    {
        let answer = server.post(&format!("/orchestrators/waits/{written}"), "").await.expect(202);
        let urls = answer.json();
        assert_eq!(urls["id"], id);
        let url = |name: &str| urls[name].as_str().expect("a URL").to_owned();
        let send = async |name: &str, body: &'static str| {
            let url = url(name).replace("{eventName}", "go").replace("{text}", "%C3%A4");
            server.send(server.http.post(url).header("content-type", "application/json").body(body)).await
        };
        assert_eq!(server.send(server.http.get(url("statusQueryGetUri"))).await.expect(202).json()["instanceId"], id);
        send("suspendPostUri", "").await.expect_bare(202);
        send("resumePostUri", "").await.expect_bare(202);
        send("sendEventPostUri", "40").await.expect_bare(202);
        send("sendEventPostUri", "2").await.expect_bare(202);
        server.ended(id).await;
        assert_eq!(server.send(server.http.get(url("statusQueryGetUri"))).await.expect(200).json()["output"], 42);
        send("terminatePostUri", "").await.expect_bare(410);
        send("rewindPostUri", "").await.expect(412);
        send("restartPostUri", "").await.expect(202);
        server.send(server.http.delete(url("purgeHistoryDeleteUri"))).await.expect(200);
        server.send(server.http.get(url("statusQueryGetUri"))).await.expect_bare(404);
    }
}

#[tokio::test]
async fn a_start_may_replace_whatever_runs_where_that_is_set() {
    let any = Server::with(|api| api.reuse_id(dacapo::ReuseId::ReplaceAny), Api::router).await;
    any.waiting("w").await;
    any.run("fan_out", "w", "[4]").await;
    assert_eq!(any.get("/instances/w").await.expect(200).json()["output"], json!([8]));
}

#[tokio::test]
async fn what_was_called_is_replaced_when_its_caller_has_ended() {
    for reuse in [dacapo::ReuseId::ReplaceTerminal, dacapo::ReuseId::ReplaceAny] {
        let server = Server::with(|api| api.reuse_id(reuse), Api::router).await;
        server.post("/orchestrators/calls/caller", "\"called\"").await.expect(202);
        server.client.attach(calls, "caller").started().await.expect("it starts");
        let refused = server.post("/orchestrators/fan_out/called", "[]").await.expect(409).json();
        assert!(refused["Message"].as_str().is_some_and(|text| text.contains("`called`")), "{refused}");
        assert_eq!(server.get("/instances/called").await.expect(202).json()["runtimeStatus"], "Running", "it goes on");
        for n in ["1", "2"] {
            server.post("/instances/called/raiseEvent/go", n).await.expect_bare(202);
        }
        server.ended("called").await;
        for path in ["/orchestrators/fan_out/called", "/instances/called/restart?restartWithNewInstanceId=false"] {
            let refused = server.post(path, "[]").await.expect(409).json();
            assert!(refused["Message"].as_str().is_some_and(|text| text.contains("called by `caller`")), "{refused}");
        }
        server.delete("/instances/called").await.expect(412);
        server.post("/instances/caller/raiseEvent/go", "3").await.expect_bare(202);
        assert_eq!(server.client.attach(calls, "caller").result().await.expect("it ends"), 6);
        server.run("fan_out", "called", "[2]").await;
        assert_eq!(server.get("/instances/called").await.expect(200).json()["output"], json!([4]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starts_of_one_id_at_one_time_are_all_answered() {
    let any = Server::with(|api| api.reuse_id(dacapo::ReuseId::ReplaceAny), Api::router).await;
    for round in 0..20 {
        let path = format!("/orchestrators/waits/{round}");
        let starts = join_all((0..8).map(|_| any.post(&path, "")));
        let answers = timeout(Duration::from_secs(30), starts).await.expect("no start waits for the end of another's run");
        answers.into_iter().for_each(|answer| drop(answer.expect(202)));
        assert_eq!(any.client.status(round.to_string()).await.expect("it is there").runtime_status(), dacapo::Status::Running);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_starts_and_waits_gets_the_output_of_that_run() {
    let server = Server::new().await;
    let asks = async |caller: u32| {
        for n in caller..caller + 25 {
            let path = "/orchestrators/fan_out/shared?timeout=20&pollingInterval=1";
            let answer = server.post(path, &format!("[{n}]")).await;
            match answer.status.as_u16() {
                // Another's run has not ended, or one has taken the place of this before its end was read.
                409 | 202 => {}
                _ => assert_eq!(answer.expect(200).json(), json!([2 * n])),
            }
        }
    };
    join_all([100, 200, 300, 400].map(asks)).await;
}

#[tokio::test]
async fn who_waits_when_the_server_ends_is_told_where_to_ask() {
    let server = Server::new().await;
    let url = server.url("/orchestrators/waits/w?timeout=20&pollingInterval=1");
    let waiting = tokio::spawn(server.http.post(url).send());
    while server.get("/instances/w").await.status == 404 {
        tokio::task::yield_now().await;
    }
    server.runtime.shutdown().await.expect("it closes");
    let answer = waiting.await.expect("it is sent").expect("it is answered");
    assert_eq!(answer.status(), 202);
    assert!(answer.headers()["location"].to_str().is_ok_and(|url| url.contains("/instances/w?")));
}

#[tokio::test]
async fn what_a_start_may_say_besides() {
    let server = Server::new().await;
    server.post("/orchestrators/fan_out?version=1&taskHub=h&connection=c", "[]").await.expect(202);
    for id in ["2c0d6c1e-7a0b-4f3c-9a57-9d2f3a1e4b5c", "no GUID"] {
        let start =
            server.http.post(server.url("/orchestrators/fan_out")).header("x-azure-functions-invocationid", id).body("[]");
        server.send(start).await.expect(202);
    }
    // A run that is terminated while somebody waits for its end.
    let waited = server.post("/orchestrators/waits/w?timeout=20&pollingInterval=1", "");
    let terminated = async {
        while server.client.terminate("w", "enough").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = futures::future::join(waited, terminated).await;
    assert_eq!(answer.expect(200).json()["runtimeStatus"], "Terminated");

    let error = server.post("/orchestrators/fan_out", "[1,").await.expect(400).json();
    let keys: Vec<_> = error.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["ExceptionMessage", "ExceptionType", "Message", "StackTrace"]);
    assert_eq!((&error["ExceptionType"], &error["StackTrace"]), (&json!("JsonReaderException"), &json!("")));
}

#[tokio::test]
async fn a_client_without_a_worker_can_be_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("served.db").display());
    let _worker = Runtime::open(&url).await.expect("it opens");
    let client = Client::connect(&url).await.expect("it connects");
    let server = Server::with(|api| api, |_| dacapo::http::router(client)).await;
    let wait = "timeout=20&pollingInterval=1";
    assert_eq!(server.post(&format!("/orchestrators/fan_out/f?{wait}"), "[4]").await.expect(200).json(), json!([8]));
    server.post("/orchestrators/nobody", "1").await.expect(400);
    assert_eq!(server.get("/instances/f").await.expect(200).json()["runtimeStatus"], "Completed");
    server.post("/orchestrators/fan_out/f", "[4]").await.expect(202);
}

#[tokio::test]
async fn hidden_characters_are_refused_in_ids_and_shown_as_escapes() {
    let server = Server::new().await;
    for id in ["a%E2%80%AEb", "%D8%9C", "a%E2%81%A9", "a%E2%80%A8b"] {
        let refused = server.post(&format!("/orchestrators/fan_out/{id}"), "[]").await.expect(400);
        assert!(
            refused.text.is_ascii() && refused.json()["Message"].as_str().is_some_and(|text| text.contains("\\u{")),
            "{}",
            refused.text
        );
    }
    let input = "[\"a\u{202e}b\"]";
    server.post("/orchestrators/fails/f?timeout=20&pollingInterval=1", &input[1..input.len() - 1]).await.expect(200);
    for path in ["/instances/f", "/instances/f?showHistory=true", "/instances"] {
        let shown = server.get(path).await.expect(200);
        assert!(!shown.text.contains('\u{202e}') && shown.text.contains("\\u202e"), "{path}: {}", shown.text);
    }
    assert_eq!(server.get("/instances/f").await.json()["output"], "a\u{202e}b", "it is the same text");
}
