//! The API as a part of an application.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response as Answer;
use axum::routing::post;
use dacapo::http::{Api, Role};
use dacapo::{Client, Runtime};
use serde_json::json;

use crate::fan_out;
use crate::server::{BASE, Server};

/// A handler of the user's own, which starts what its route is for.
async fn start_fan_out(State(client): State<Client>, request: Parts) -> Answer {
    let handle = client.start(fan_out(vec![1, 2, 3, 4, 5])).id("mine").await.expect("it starts");
    dacapo::http::check_status(&handle, &request)
}

async fn run_fan_out(State(client): State<Client>, request: Parts) -> Answer {
    let handle = client.start(fan_out(vec![5])).await.expect("it starts");
    dacapo::http::wait_or_check_status(&handle, &request, Duration::from_secs(20)).await
}

#[tokio::test]
async fn it_is_mounted_into_an_application() {
    let mount = |api: Api| {
        let links = api.links().nested_at("durable/").key("k");
        Router::new().nest("/durable", api.router()).layer(axum::Extension(links))
    };
    let nested = Server::with(|api| api.key(Role::Manage, "k"), mount).await;
    let nested_url = |path: &str| format!("http://{}/durable{BASE}{path}", nested.address);
    let started = nested.send(nested.http.post(nested_url("/orchestrators/fan_out/n?code=k")).body("[7]")).await.expect(202);
    let beside = nested.http.get(format!("http://{}/other{BASE}/instances/n?code=k", nested.address));
    nested.send(beside).await.expect(404);
    let below = nested.http.get(format!("http://{}/durable/other{BASE}/instances/n?code=k", nested.address));
    nested.send(below).await.expect(404);
    let location = nested_url("/instances/n?taskHub=dacapo&connection=Storage&code=k");
    assert_eq!(started.header("location"), Some(location.as_str()));
    nested.ended("n").await;
    assert_eq!(nested.send(nested.http.get(location)).await.expect(200).json()["output"], json!([14]));

    let runtime = Runtime::open("memory:").await.expect("it opens");
    let own = Router::new().route("/api/start", post(start_fan_out)).route("/api/run", post(run_fan_out));
    let app = own.with_state(runtime.client()).merge(dacapo::http::router(runtime.client()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await });
    let answer = nested.send(nested.http.post(format!("http://{address}/api/start"))).await.expect(202);
    assert_eq!(answer.header("retry-after"), Some("10"));
    runtime.attach(fan_out, "mine").result().await.expect("it ends");
    let status = nested.send(nested.http.get(answer.header("location").expect("a URL"))).await.expect(200);
    assert_eq!(status.json()["output"], json!([2, 4, 6, 8, 10]));
    assert_eq!(nested.send(nested.http.post(format!("http://{address}/api/run"))).await.expect(200).json(), json!([10]));
}

#[tokio::test]
async fn guarded_handlers_give_the_urls_of_the_api() {
    type Mount<'a> = &'a dyn Fn(&Api) -> Router<Client>;
    let location = async |mount: Mount<'_>| {
        let runtime = Runtime::open("memory:").await.expect("it opens");
        let client = runtime.client();
        let public = |api: Api| api.key(Role::Start, "k").public_url("https://orders.example/").expect("a URL");
        let server = Server::on(runtime, public, |api| mount(&api).with_state(client)).await;
        let started = server.send(server.http.post(format!("http://{}/start?code=k", server.address))).await.expect(202);
        started.header("location").expect("a URL").to_owned()
    };
    let own = || Router::new().route("/start", post(start_fan_out));
    let at = location(&|api| own().layer(api.guard(Role::Start))).await;
    assert!(at.starts_with(&format!("https://orders.example{BASE}/instances/mine?")) && at.ends_with("&code=k"), "{at}");

    // Links that the application gives itself go first, on either side of the guard.
    let links = |api: &Api| axum::Extension(api.links().nested_at("durable"));
    let nested = format!("https://orders.example/durable{BASE}/");
    assert!(location(&|api| own().layer(api.guard(Role::Start)).layer(links(api))).await.starts_with(&nested));
    assert!(location(&|api| own().layer(links(api)).layer(api.guard(Role::Start))).await.starts_with(&nested));
}

#[tokio::test]
async fn an_application_keeps_its_own_fallback() {
    let mount = |api: Api| {
        let own = Router::new().fallback(async || "the application's own page");
        own.nest_service(BASE, api.router())
    };
    let server = Server::with(|api| api, mount).await;
    let other = server.http.get(format!("http://{}/elsewhere", server.address));
    assert_eq!(server.send(other).await.expect(200).text, "the application's own page");
    server.send(server.http.post(server.url("/orchestrators/fan_out/n")).body("[7]")).await.expect(202);
    server.ended("n").await;
    assert_eq!(server.get("/instances/n").await.expect(200).json()["output"], json!([14]));
}
