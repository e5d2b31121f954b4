//! What is a route and what is none.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{BASE, Server};

#[tokio::test]
async fn what_is_no_route_is_404_and_the_rest_of_the_table() {
    let server = Server::new().await;
    let put = [Method::PUT, Method::PATCH, Method::HEAD, Method::OPTIONS];
    for method in put {
        server.ask(method, "/instances").await.expect_bare(404);
    }
    server.get("/orchestrators/fan_out").await.expect_bare(404);
    server.delete("/orchestrators/fan_out").await.expect_bare(404);
    server.get("/instances/w/terminate").await.expect_bare(404);
    for path in [
        "",
        "/",
        "/nonsense",
        "/instances/w/explode",
        "/instances//terminate",
        "/instances/w/raiseEvent",
        "/orchestrators",
        "/instances/%FF",
    ] {
        server.post(path, "").await.expect_bare(404);
    }
    server.post("/makeprimary", "").await.expect_bare(200);
    server.get("/makePrimary").await.expect_bare(200);
    assert_eq!(server.get("/openapi.json").await.expect(200).json()["openapi"], "3.1.0");

    server.run("fan_out", "f", "[1]").await;
    let url = |path: &str| format!("http://{}{path}", server.address);
    for path in [
        "/Runtime/WEBHOOKS/durableTask/Instances/f/",
        "/admin/extensions/durabletaskextension/instances/f",
        "/%72untime/webhooks/durabletask/instances/f",
    ] {
        server.send(server.http.get(url(path))).await.expect(200);
    }
    server.send(server.http.get(url("/public/runtime/webhooks/durabletask/instances/f"))).await.expect_bare(404);
    let started =
        server.send(server.http.post(url("/admin/extensions/DurableTaskExtension/orchestrators/fan_out/g")).body("[]")).await;
    assert!(
        started
            .expect(202)
            .header("location")
            .is_some_and(|url| url.contains("/admin/extensions/DurableTaskExtension/instances/g?"))
    );
    server.send(server.http.get(url("/elsewhere"))).await.expect_bare(404);
}

#[tokio::test]
async fn what_goes_wrong_inside_is_not_told() {
    let server = Server::new().await;
    let Server { client, address, http, runtime } = server;
    runtime.shutdown().await.expect("it closes");
    let response =
        http.post(format!("http://{address}{BASE}/orchestrators/fan_out")).body("[]").send().await.expect("it answers");
    assert_eq!(response.status(), 500);
    let body: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
    assert_eq!(body, json!({"Message": "Something went wrong while processing your request"}));
    drop(client);
}
