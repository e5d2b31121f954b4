//! The contract of the HTTP API, asked for over a socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response as Answer;
use axum::routing::post;
use dacapo::http::{Api, Role};
use dacapo::{Client, Event, Runtime, activity, orchestrator};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const BASE: &str = "/runtime/webhooks/durabletask";
const GO: Event<u32> = Event::new("go");

#[activity]
async fn twice(n: u32) -> u32 {
    2 * n
}

/// Doubles everything at once.
#[orchestrator]
async fn fan_out(items: Vec<u32>) -> Vec<u32> {
    dacapo::set_custom_status("doubling");
    join_all(items.into_iter().map(twice)).await
}

#[orchestrator]
async fn waits() -> u32 {
    dacapo::set_custom_status("waiting");
    let n = GO.wait().await;
    dacapo::set_custom_status("heard");
    n + GO.wait().await
}

static IS_UP: AtomicBool = AtomicBool::new(false);

#[activity(retry = dacapo::Retry::none())]
async fn call_line(number: String) -> dacapo::Result<usize> {
    if IS_UP.load(Ordering::SeqCst) { Ok(number.len()) } else { Err(dacapo::Error::msg("the line is down")) }
}

#[orchestrator]
async fn rings() -> dacapo::Result<usize> {
    call_line("110".into()).await
}

#[orchestrator]
async fn fails(why: String) -> dacapo::Result<()> {
    Err(dacapo::Error::msg(why))
}

/// Calls a child and waits a moment.
#[orchestrator]
async fn parent(n: u32) -> dacapo::Result<u32> {
    let doubled = fan_out(vec![n]).await;
    dacapo::sleep(Duration::from_millis(1)).await;
    let refused = fails("no".into()).await;
    Ok(doubled[0] + u32::from(refused.is_err()))
}

/// A server on a socket of its own.
struct Server {
    client: Client,
    address: SocketAddr,
    http: reqwest::Client,
    _runtime: Runtime,
}

/// What a request was answered with.
struct Response {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("it is text"))
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"), "{}", self.text);
        serde_json::from_str(&self.text).expect("it is JSON")
    }

    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// No body and no content type.
    fn expect_bare(self, status: u16) {
        let this = self.expect(status);
        assert_eq!((this.text.as_str(), this.header("content-type")), ("", None));
    }

    /// The error object, and nothing else.
    fn expect_error(self, status: u16, message: &str) -> String {
        let error = self.expect(status).json();
        assert_eq!(error["Message"], message, "{error}");
        error["ExceptionMessage"].as_str().unwrap_or_default().to_owned()
    }
}

impl Server {
    async fn new() -> Self {
        Self::with(|api| api, |api| api.router()).await
    }

    /// A server whose API is set, and then mounted.
    async fn with(set: impl FnOnce(Api) -> Api, mount: impl FnOnce(Api) -> Router) -> Self {
        let runtime = Runtime::open("memory:").await.expect("it opens");
        let app = mount(set(Api::new(runtime.client())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await });
        Self { client: runtime.client(), address, http: reqwest::Client::new(), _runtime: runtime }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{BASE}{path}", self.address)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let response = request.send().await.expect("it answers");
        let (status, headers) = (response.status(), response.headers().clone());
        Response { status, headers, text: response.text().await.expect("it is text") }
    }

    async fn ask(&self, method: Method, path: &str) -> Response {
        self.send(self.http.request(method, self.url(path))).await
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).await
    }

    async fn delete(&self, path: &str) -> Response {
        self.ask(Method::DELETE, path).await
    }

    async fn post(&self, path: &str, body: &str) -> Response {
        let request = self.http.post(self.url(path)).header("content-type", "application/json");
        self.send(request.body(body.to_owned())).await
    }

    /// Starts it and waits for its end.
    async fn run(&self, name: &str, id: &str, input: &str) {
        self.post(&format!("/orchestrators/{name}/{id}?timeout=20&pollingInterval=1"), input).await.expect(200);
    }

    /// Starts one that waits, and waits until it does.
    async fn waiting(&self, id: &str) {
        self.post(&format!("/orchestrators/waits/{id}"), "").await.expect(202);
        self.client.attach(waits, id).started().await.expect("it starts");
    }

    /// Waits until an instance has ended.
    async fn ended(&self, id: &str) {
        let _ = self.client.attach(waits, id).result().await;
    }
}

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

    server.post("/instances/w/terminate?reason=enough%20of%20it", "").await.expect_bare(202);
    server.ended("w").await;
    let terminated = server.get("/instances/w").await.expect(200).json();
    assert_eq!((&terminated["runtimeStatus"], &terminated["output"]), (&json!("Terminated"), &json!("enough of it")));
}

#[tokio::test]
async fn events_reach_who_waits_and_nobody_else() {
    let server = Server::new().await;
    server.post("/instances/nobody/raiseEvent/go", "1").await.expect_bare(404);
    server.waiting("w").await;
    server.post("/instances/w/raiseEvent/go", "{").await.expect_error(400, "Invalid JSON content");
    let plain = server.http.post(server.url("/instances/w/raiseEvent/go")).header("content-type", "text/plain").body("1");
    server.send(plain).await.expect_error(400, "Only application/json request content is supported");
    server.post("/instances/w/raiseEvent/go", "40").await.expect_bare(202);
    server.post("/instances/w/RAISEEVENT/go", "2").await.expect_bare(202);
    assert_eq!(server.client.attach(waits, "w").result().await.expect("it ends"), 42);
    server.post("/instances/w/raiseEvent/go", "1").await.expect_bare(410);
}

#[tokio::test]
async fn suspension_and_termination() {
    let server = Server::new().await;
    for operation in ["terminate", "suspend", "resume"] {
        server.post(&format!("/instances/nobody/{operation}"), "").await.expect_bare(404);
    }
    server.waiting("w").await;
    server.post("/instances/w/resume", "").await.expect_bare(202);
    for _ in 0..2 {
        server.post("/instances/w/suspend?reason=lunch", "").await.expect_bare(202);
        let suspended = server.get("/instances/w").await.expect(202);
        assert_eq!((&suspended.json()["runtimeStatus"], suspended.header("retry-after")), (&json!("Suspended"), Some("5")));
    }
    server.post("/instances/w/resume?reason=back", "").await.expect_bare(202);
    assert_eq!(server.get("/instances/w").await.expect(202).json()["runtimeStatus"], "Running");
    server.post("/instances/w/terminate", "").await.expect_bare(202);
    server.ended("w").await;
    for operation in ["terminate", "suspend", "resume"] {
        server.post(&format!("/instances/w/{operation}"), "").await.expect_bare(410);
    }
}

#[tokio::test]
async fn a_failed_run_is_rewound() {
    let server = Server::new().await;
    assert!(server.post("/instances/nobody/rewind", "").await.expect(404).json().is_string());
    server.post("/orchestrators/rings/r", "").await.expect(202);
    server.ended("r").await;
    assert_eq!(server.get("/instances/r").await.expect(200).json()["runtimeStatus"], "Failed");
    IS_UP.store(true, Ordering::SeqCst);
    server.post("/instances/r/rewind?reason=up%20again", "").await.expect_bare(202);
    assert_eq!(server.client.attach(rings, "r").result().await.expect("it ends"), 3);
    let text = server.post("/instances/r/rewind", "").await.expect(412).json();
    assert!(text.as_str().is_some_and(|text| text.contains("Completed")), "{text}");
    let history = server.get("/instances/r?showHistory=true").await.json();
    let rewound = history["historyEvents"].as_array().expect("rows").iter().find(|row| row["EventType"] == "ExecutionRewound");
    assert_eq!(rewound.expect("a row")["Reason"], "up again");
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
    assert_eq!(ids(&server.get("/instances?runtimeStatus=Nonsense&runtimeStatus=Running").await), ["w"]);
    assert_eq!(ids(&server.get("/instances?runtimeStatus=running").await).len(), 6);
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
async fn what_has_ended_is_purged() {
    let server = Server::new().await;
    server.delete("/instances/nobody").await.expect_bare(404);
    server.waiting("w").await;
    assert!(server.delete("/instances/w").await.expect(412).json().is_string());
    for id in ["a", "b", "c"] {
        server.run("fan_out", id, "[]").await;
    }
    assert_eq!(server.delete("/instances/a").await.expect(200).json(), json!({"instancesDeleted": 1}));
    server.get("/instances/a").await.expect_bare(404);

    assert_eq!(server.delete("/instances").await.expect(400).json(), "Please provide value for 'createdTimeFrom' parameter.");
    server.delete("/instances?createdTimeFrom=2020-01-01&runtimeStatus=Failed").await.expect_bare(404);
    server.delete("/instances?createdTimeFrom=2020-01-01&createdTimeTo=2020-01-02").await.expect_bare(404);
    assert_eq!(server.delete("/instances?createdTimeFrom=2020-01-01").await.expect(200).json(), json!({"instancesDeleted": 2}));
    assert_eq!(server.get("/instances").await.json().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_history_is_shown_as_there() {
    let server = Server::new().await;
    server.run("parent", "p", "4").await;
    assert_eq!(server.get("/instances/p").await.json().get("historyEvents"), None);

    let rows = |response: Response| response.json()["historyEvents"].as_array().expect("rows").clone();
    let is_ticks = |time: &Value| time.as_str().is_some_and(|text| text.len() == "2026-01-02T03:04:05.1234567Z".len());
    let shown = rows(server.get("/instances/p?showHistory=true&showHistoryOutput=true").await);
    let mut without_times = shown.clone();
    for row in &mut without_times {
        assert_eq!((row.get("EventId"), row.get("IsPlayed"), row.get("TaskScheduledId")), (None, None, None));
        for key in ["Timestamp", "ScheduledTime", "FireAt"] {
            if let Some(time) = row.get(key) {
                assert!(is_ticks(time), "{row}");
                row.as_object_mut().expect("a row").remove(key);
            }
        }
        if let Some(details) = row.get_mut("FailureDetails") {
            assert_eq!((&details["ErrorMessage"], &details["IsNonRetriable"]), (&json!("no"), &json!(false)));
            *details = json!(true);
        }
    }
    let expected = json!([
        {"EventType": "ExecutionStarted", "FunctionName": "parent", "Input": "4"},
        {"EventType": "SubOrchestrationInstanceCompleted", "Result": [8], "FunctionName": "fan_out", "Input": "[4]"},
        {"EventType": "TimerCreated"},
        {"EventType": "TimerFired"},
        {"EventType": "SubOrchestrationInstanceFailed", "FunctionName": "fails", "Input": "\"no\"", "Reason": "no", "Details": "", "FailureDetails": true},
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed", "Result": 9},
    ]);
    assert_eq!(Value::from(without_times), expected);
    let timers: Vec<_> = shown.iter().filter_map(|row| row.get("FireAt")).collect();
    assert_eq!((timers.len(), timers[0]), (2, timers[1]));

    for row in rows(server.get("/instances/p?showHistory=true&showInput=false").await) {
        assert_eq!((row.get("Input"), row.get("Result")), (None, None), "{row}");
    }
    server.waiting("w").await;
    server.post("/instances/w/raiseEvent/go", "40").await.expect_bare(202);
    let raised = rows(server.get("/instances/w?showHistory=true").await).pop().expect("a row");
    assert_eq!((&raised["EventType"], &raised["Name"], &raised["Input"]), (&json!("EventRaised"), &json!("go"), &json!("40")));
}

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
    // There are no entities to be found.
    for (method, path) in
        [(Method::GET, "/entities"), (Method::GET, "/entities/counter/a"), (Method::POST, "/entities/counter/a?op=add")]
    {
        server.ask(method, path).await.expect_bare(404);
    }
    server.post("/makeprimary", "").await.expect_bare(200);
    server.get("/makePrimary").await.expect_bare(200);
    assert_eq!(server.get("/openapi.json").await.expect(200).json()["openapi"], "3.1.0");

    server.run("fan_out", "f", "[1]").await;
    let url = |path: &str| format!("http://{}{path}", server.address);
    for path in ["/Runtime/WEBHOOKS/durableTask/Instances/f/", "/admin/extensions/durabletaskextension/instances/f"] {
        server.send(server.http.get(url(path))).await.expect(200);
    }
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
async fn keys_open_what_their_roles_allow_and_are_in_the_urls() {
    let keys = |api: Api| api.key(Role::Read, "r&d").key(Role::Start, "start").key(Role::Manage, "manage");
    let server = Server::with(keys, Api::router).await;
    for path in ["/instances", "/instances?code=wrong", "/instances?code=", "/openapi.json"] {
        let refused = server.get(path).await;
        assert!(!refused.text.contains("wrong"));
        refused.expect(401);
    }
    server.get("/instances?CODE=r%26d").await.expect(200);
    let by_header = server.http.get(server.url("/instances?code=wrong")).header("x-functions-key", "manage");
    server.send(by_header).await.expect(200);
    server.post("/orchestrators/waits/w?code=r%26d", "").await.expect(403);
    let started = server.post("/orchestrators/waits/w?code=start", "").await.expect(202).json();
    assert!(
        started["statusQueryGetUri"].as_str().is_some_and(|url| url.ends_with("&connection=Storage&code=start")),
        "{started}"
    );
    let status = server.http.get(started["statusQueryGetUri"].as_str().expect("a URL"));
    server.send(status).await.expect(202);
    server.post("/instances/w/terminate?code=start", "").await.expect(403);
    server.post("/instances/w/terminate?code=manage", "").await.expect_bare(202);
}

#[tokio::test]
async fn without_keys_only_this_machine_is_served() {
    let server = Server::new().await;
    let with = |name: &str, value: &str| server.http.get(server.url("/instances")).header(name, value);
    server.get("/instances").await.expect(200);
    server.send(with("origin", &format!("http://{}", server.address))).await.expect(200);
    server.send(with("origin", "https://evil.example")).await.expect(401);
    server.send(with("host", "evil.example")).await.expect(401);
    server.send(with("x-forwarded-for", "203.0.113.9")).await.expect(401);
    server.send(with("forwarded", "for=203.0.113.9")).await.expect(401);
    let open = Server::with(|api| api.allow_anonymous(true), Api::router).await;
    open.send(open.http.get(open.url("/instances")).header("host", "evil.example")).await.expect(200);

    // A server that does not know who asks cannot know that it is this machine.
    let runtime = Runtime::open("memory:").await.expect("it opens");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    let app = dacapo::http::router(runtime.client());
    tokio::spawn(async move { axum::serve(listener, app).await });
    server.send(server.http.get(format!("http://{address}{BASE}/instances"))).await.expect(401);
}

#[tokio::test]
async fn urls_follow_the_proxy_only_when_told_to() {
    let location = |response: Response| response.expect(202).header("location").expect("a URL").to_owned();
    let headers = [("x-forwarded-host", "orders.example"), ("x-forwarded-proto", "https")];
    let start = |server: &Server, headers: &[(&str, &str)]| {
        let request = server.http.post(server.url("/orchestrators/fan_out?code=k")).body("[]");
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let deaf = Server::with(|api| api.key(Role::Manage, "k"), Api::router).await;
    assert!(location(deaf.send(start(&deaf, &headers)).await).starts_with(&format!("http://{}{BASE}/", deaf.address)));

    let behind = Server::with(|api| api.key(Role::Manage, "k").trust_forwarded(true), Api::router).await;
    assert!(
        location(behind.send(start(&behind, &headers)).await).starts_with(&format!("https://orders.example{BASE}/instances/"))
    );
    assert!(location(behind.send(start(&behind, &headers[..1])).await).starts_with(&format!("http://{}", behind.address)));
    let rfc = [("forwarded", "for=1.2.3.4;host=\"a.example:8443\";proto=https, for=5.6.7.8")];
    assert!(location(behind.send(start(&behind, &rfc)).await).starts_with("https://a.example:8443/"));
    let evil = [("x-forwarded-host", "evil.example/path?"), ("x-forwarded-proto", "https")];
    assert!(location(behind.send(start(&behind, &evil)).await).starts_with(&format!("http://{}", behind.address)));

    let public = |api: Api| api.key(Role::Manage, "k").public_url("https://public.example/api/").expect("a URL");
    let public = Server::with(public, Api::router).await;
    assert!(location(public.send(start(&public, &headers)).await).starts_with(&format!("https://public.example/api{BASE}/")));
    public.post("/orchestrators/waits/w?code=k", "").await.expect(202);
    let status = public.get("/instances/w?code=k").await;
    assert_eq!(location(status), format!("https://public.example/api{BASE}/instances/w?code=k"));
    for wrong in ["orders.example", "/api", "https://a/?b"] {
        assert!(Api::new(public.client.clone()).public_url(wrong).is_err(), "{wrong}");
    }
}

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
        let links = api.links().nested_at("/durable").key("k");
        Router::new().nest("/durable", api.router()).layer(axum::Extension(links))
    };
    let nested = Server::with(|api| api.key(Role::Manage, "k"), mount).await;
    let nested_url = |path: &str| format!("http://{}/durable{BASE}{path}", nested.address);
    let started = nested.send(nested.http.post(nested_url("/orchestrators/fan_out/n?code=k")).body("[7]")).await.expect(202);
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

/// A process that runs nothing itself starts what is linked into it, and the worker of another one runs it.
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
async fn bodies_have_limits() {
    let server = Server::with(|api| api.max_body_bytes(10).read_timeout(Duration::from_millis(50)), Api::router).await;
    server.post("/orchestrators/fan_out/a", "[1,2,3]").await.expect(202);
    let refused = server.post("/orchestrators/fan_out/b", "[1,2,3,4,5]").await.expect(413).json();
    assert_eq!(refused["Message"], "the body is longer than 10 bytes");
    server.get("/instances/b").await.expect_bare(404);

    // A body that is announced and does not come.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(server.address).await.expect("it connects");
    let head = format!("POST {BASE}/orchestrators/fan_out/c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n[1");
    socket.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.expect("it is answered");
    assert_eq!(&answer, b"HTTP/1.1 408");
    server.get("/instances/c").await.expect_bare(404);
}

#[tokio::test]
async fn what_goes_wrong_inside_is_not_told() {
    let server = Server::new().await;
    let Server { client, address, http, _runtime: runtime } = server;
    runtime.shutdown().await.expect("it closes");
    let response =
        http.post(format!("http://{address}{BASE}/orchestrators/fan_out")).body("[]").send().await.expect("it answers");
    assert_eq!(response.status(), 500);
    let body: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
    assert_eq!(body, json!({"Message": "Something went wrong while processing your request"}));
    drop(client);
}

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

    // It ends with the server, too.
    server.waiting("x").await;
    let request = server.http.get(server.url("/instances/x")).header("accept", "text/event-stream");
    let response = request.send().await.expect("it answers");
    let Server { _runtime: runtime, .. } = server;
    runtime.shutdown().await.expect("it closes");
    let text = response.text().await.expect("it ends");
    assert_eq!(text.matches("event: status").count(), 1);
}
