//! A server on a socket, and what a test asks it.

use std::net::SocketAddr;

use axum::Router;
use dacapo::http::Api;
use dacapo::{Client, Runtime};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::waits;

/// Where the routes lie.
pub(crate) const BASE: &str = "/runtime/webhooks/durabletask";

/// A server on a socket of its own.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    pub(crate) runtime: Runtime,
}

/// What a request was answered with.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("it is text"))
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"), "{}", self.text);
        serde_json::from_str(&self.text).expect("it is JSON")
    }

    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// No body and no content type.
    pub(crate) fn expect_bare(self, status: u16) {
        let this = self.expect(status);
        assert_eq!((this.text.as_str(), this.header("content-type")), ("", None));
    }

    /// The error object, and nothing else.
    pub(crate) fn expect_error(self, status: u16, message: &str) -> String {
        let error = self.expect(status).json();
        assert_eq!(error["Message"], message, "{error}");
        error["ExceptionMessage"].as_str().unwrap_or_default().to_owned()
    }
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::with(|api| api, |api| api.router()).await
    }

    /// A server whose API is set, and then mounted.
    pub(crate) async fn with(set: impl FnOnce(Api) -> Api, mount: impl FnOnce(Api) -> Router) -> Self {
        Self::on(Runtime::open("memory:").await.expect("it opens"), set, mount).await
    }

    /// The same on a runtime of the test.
    pub(crate) async fn on(runtime: Runtime, set: impl FnOnce(Api) -> Api, mount: impl FnOnce(Api) -> Router) -> Self {
        let app = mount(set(Api::new(runtime.client())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await });
        Self { client: runtime.client(), address, http: reqwest::Client::new(), runtime }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{BASE}{path}", self.address)
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let response = request.send().await.expect("it answers");
        let (status, headers) = (response.status(), response.headers().clone());
        Response { status, headers, text: response.text().await.expect("it is text") }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str) -> Response {
        self.send(self.http.request(method, self.url(path))).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.ask(Method::DELETE, path).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        let request = self.http.post(self.url(path)).header("content-type", "application/json");
        self.send(request.body(body.to_owned())).await
    }

    /// Starts it and waits for its end.
    pub(crate) async fn run(&self, name: &str, id: &str, input: &str) {
        self.post(&format!("/orchestrators/{name}/{id}?timeout=20&pollingInterval=1"), input).await.expect(200);
    }

    /// Starts one that waits, and waits until it does.
    pub(crate) async fn waiting(&self, id: &str) {
        self.post(&format!("/orchestrators/waits/{id}"), "").await.expect(202);
        self.client.attach(waits, id).started().await.expect("it starts");
    }

    /// Waits until an instance has ended.
    pub(crate) async fn ended(&self, id: &str) {
        let _ = self.client.attach(waits, id).result().await;
    }
}
