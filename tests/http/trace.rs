//! `traceparent` and `tracestate`.

use serde_json::{Value, json};

use crate::server::Server;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What an activity of a run sees that was started with these headers, and what its history shows.
async fn started_with(server: &Server, headers: &[(&str, &str)]) -> (Value, Option<Value>) {
    let url = server.url("/orchestrators/traced?timeout=20&pollingInterval=1");
    let request = headers.iter().fold(server.http.post(url), |request, (name, value)| request.header(*name, *value));
    let seen = server.send(request).await.expect(200).json();
    let list = server.get("/instances?top=1").await.json();
    let id = list[0]["instanceId"].as_str().expect("an id");
    let status = server.get(&format!("/instances/{id}?showHistory=true")).await.json();
    (seen, status["historyEvents"][0].get("ParentTraceContext").cloned())
}

#[tokio::test]
async fn a_start_records_where_it_comes_from() {
    let server = Server::new().await;
    let (seen, shown) = started_with(&server, &[("traceparent", PARENT)]).await;
    assert_eq!((seen, shown), (json!(PARENT), Some(json!({"TraceParent": PARENT, "TraceState": null}))));
    let (_, shown) =
        started_with(&server, &[("TraceParent", PARENT), ("tracestate", "rojo=00f067"), ("tracestate", "congo=t61")]).await;
    assert_eq!(shown, Some(json!({"TraceParent": PARENT, "TraceState": "rojo=00f067,congo=t61"})));
}

#[tokio::test]
async fn a_malformed_header_is_ignored() {
    let server = Server::new().await;
    for headers in [
        &[][..],
        &[("tracestate", "rojo=00f067")],
        &[("traceparent", "00-nonsense-01")],
        &[("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")],
        &[("traceparent", PARENT), ("traceparent", PARENT)],
    ] {
        assert_eq!(started_with(&server, headers).await, (Value::Null, None), "{headers:?}");
    }
    let (_, shown) = started_with(&server, &[("traceparent", PARENT), ("tracestate", "NO=1")]).await;
    assert_eq!(shown, Some(json!({"TraceParent": PARENT, "TraceState": null})));
}
