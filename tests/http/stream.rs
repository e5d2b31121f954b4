//! A status as a stream.

use serde_json::{Value, json};

use crate::server::Server;

#[tokio::test]
async fn a_status_can_be_a_stream() {
    let server = Server::new().await;
    server.waiting("w").await;
    let request = server.http.get(server.url("/instances/w")).header("accept", "text/event-stream");
    let mut response = request.send().await.expect("it answers");
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().ok()), (200, Some("text/event-stream")));
    let mut text = String::new();
    let mut next = async || {
        loop {
            if let Some((event, rest)) = text.split_once("\n\n") {
                let data =
                    event.strip_prefix("event: status\ndata: ").map(|data| serde_json::from_str::<Value>(data).expect("JSON"));
                let event = (event.to_owned(), data);
                text = rest.to_owned();
                return event.1;
            }
            match response.chunk().await.expect("it goes on") {
                Some(chunk) => text.push_str(std::str::from_utf8(&chunk).expect("it is text")),
                None => return None,
            }
        }
    };
    assert_eq!(next().await.expect("the first")["customStatus"], "waiting");
    server.post("/instances/w/raiseEvent/go", "40").await.expect_bare(202);
    assert_eq!(next().await.expect("a change")["customStatus"], "heard");
    server.post("/instances/w/raiseEvent/go", "2").await.expect_bare(202);
    let last = next().await.expect("the end");
    assert_eq!((&last["runtimeStatus"], &last["output"]), (&json!("Completed"), &json!(42)));
    assert!(next().await.is_none());

    // Whoever takes JSON, too, gets that.
    for (accepts, content_type) in [
        ("application/json, text/event-stream", "application/json; charset=utf-8"),
        ("text/event-stream;q=0", "application/json; charset=utf-8"),
        ("Text/Event-Stream", "text/event-stream"),
    ] {
        let answer = server.send(server.http.get(server.url("/instances/w")).header("accept", accepts)).await;
        assert_eq!(answer.header("content-type"), Some(content_type), "{accepts}");
    }

    // It ends with the server, too.
    server.waiting("x").await;
    let request = server.http.get(server.url("/instances/x")).header("accept", "text/event-stream");
    let response = request.send().await.expect("it answers");
    let Server { runtime, .. } = server;
    runtime.shutdown().await.expect("it closes");
    let text = response.text().await.expect("it ends");
    assert_eq!(text.matches("event: status").count(), 1);
}
