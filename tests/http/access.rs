//! Keys, roles, machines, proxies.

use axum::Router;
use axum::routing::any;
use dacapo::Runtime;
use dacapo::http::{Api, Role};
use reqwest::Method;

use crate::server::{BASE, Response, Server};

#[test]
fn no_key_is_shown() {
    let shown = format!("{:?}", dacapo::http::Links::default().key("a secret").nested_at("/durable"));
    assert!(shown.contains("/durable") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn keys_open_what_their_roles_allow_and_are_in_the_urls() {
    let keys =
        |api: Api| api.key(Role::Read, "r&d").key(Role::Start, "start").key(Role::Manage, "manage").key(Role::Read, "schlüssel");
    let server = Server::with(keys, Api::router).await;
    for path in ["/instances", "/instances?code=wrong", "/instances?code=", "/openapi.json"] {
        let refused = server.get(path).await;
        assert!(!refused.text.contains("wrong"));
        refused.expect(401);
    }
    server.get("/instances?CODE=r%26d").await.expect(200);
    let by_header = |key: &str| server.http.get(server.url("/instances?code=wrong")).header("x-functions-key", key.as_bytes());
    server.send(by_header("manage")).await.expect(200);
    server.send(by_header("schlüssel")).await.expect(200);
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

/// Every route, and what it takes.
const ROUTES: &[(&str, &str, Role)] = &[
    ("POST", "/orchestrators/fan_out", Role::Start),
    ("POST", "/orchestrators/fan_out/x", Role::Start),
    ("GET", "/instances", Role::Read),
    ("GET", "/instances/x", Role::Read),
    ("POST", "/instances/x/raiseEvent/go", Role::Start),
    ("POST", "/instances/x/suspend", Role::Manage),
    ("POST", "/instances/x/resume", Role::Manage),
    ("POST", "/instances/x/terminate", Role::Manage),
    ("POST", "/instances/x/rewind", Role::Manage),
    ("POST", "/instances/x/restart", Role::Manage),
    ("DELETE", "/instances/x", Role::Manage),
    ("DELETE", "/instances", Role::Manage),
    ("GET", "/entities", Role::Read),
    ("GET", "/entities/counter", Role::Read),
    ("GET", "/entities/counter/x", Role::Read),
    ("POST", "/entities/counter/x?op=reset", Role::Start),
    ("POST", "/entities/counter/x?op=delete", Role::Manage),
    ("DELETE", "/entities/counter/x", Role::Manage),
    ("GET", "/makeprimary", Role::Manage),
    ("GET", "/openapi.json", Role::Read),
];

#[tokio::test]
async fn every_route_takes_its_role_and_no_less() {
    let keys = |api: Api| api.key(Role::Read, "read").key(Role::Start, "start").key(Role::Manage, "manage");
    let server = Server::with(keys, Api::router).await;
    for (method, path, needed) in ROUTES {
        let url = server.url(path);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let ask = async |key: &str| {
            let request = server.http.request(method.clone(), &url).header("content-type", "application/json");
            server.send(request.header("x-functions-key", key).body("[]")).await
        };
        for nobody in ["", "wrong", "Manage", "rea", "reader"] {
            ask(nobody).await.expect(401);
        }
        for (role, key) in [(Role::Read, "read"), (Role::Start, "start"), (Role::Manage, "manage")] {
            let answer = ask(key).await;
            assert_eq!(answer.status == 403, role < *needed, "{method} {path} with the key of {role:?}: {}", answer.status);
            assert_ne!(answer.status, 401);
        }
    }
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
    for name in ["x-forwarded-proto", "x-real-ip", "via", "cf-connecting-ip"] {
        server.send(with(name, "1.1 proxy")).await.expect(401);
    }
    server.send(with("sec-fetch-site", "same-origin")).await.expect(200);
    server.send(with("sec-fetch-site", "cross-site")).await.expect(401);
    for (method, path, _) in ROUTES {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let proxied = server.http.request(method, server.url(path)).header("x-forwarded-for", "203.0.113.9");
        server.send(proxied).await.expect(401);
    }
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

/// A page of another site in a browser, by each of the headers that tell it.
const FOREIGN: [(&str, &str); 6] = [
    ("origin", "https://evil.example"),
    ("origin", "null"),
    ("origin", "http://127.0.0.1:1"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("sec-fetch-site", "?"),
];

/// The API, and beside it a route of the application.
fn with_own_route(api: Api) -> Router {
    let own = Router::new().route("/own", any(async || "served")).route_layer(api.guard(Role::Start));
    own.route("/open", any(async || "served")).merge(api.router())
}

#[tokio::test]
async fn pages_of_other_sites_need_a_key_on_every_route() {
    let local = Server::with(|api| api, with_own_route).await;
    let open = Server::with(|api| api.allow_anonymous(true), with_own_route).await;
    let keyed = Server::with(|api| api.allow_anonymous(true).key(Role::Manage, "k"), with_own_route).await;
    let api = ROUTES.iter().map(|(method, path, _)| (*method, format!("{BASE}{path}")));
    for (method, path) in api.chain(["GET", "POST"].map(|method| (method, "/own".into()))) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        for (name, value) in FOREIGN {
            let ask = async |server: &Server, key: &str| {
                let request = server.http.request(method.clone(), format!("http://{}{path}", server.address)).body("[]");
                let request = request.header("content-type", "application/json").header("cookie", "code=k; x-functions-key=k");
                server.send(request.header("x-functions-key", key).header(name, value)).await
            };
            for server in [&local, &open, &keyed] {
                ask(server, "wrong").await.expect(401);
                ask(server, "").await.expect(401);
            }
            let answer = ask(&keyed, "k").await;
            assert_ne!(answer.status, 401, "{method} {path} {name}: {value}");
            assert!(!answer.headers.contains_key("set-cookie"));
        }
    }
    for server in [&local, &open, &keyed] {
        let own = [("origin", format!("http://{}", server.address)), ("sec-fetch-site", "same-origin".into())];
        for (name, value) in own.into_iter().chain([("sec-fetch-site", "none".into())]) {
            let ask = |path: &str| server.http.get(format!("http://{}{path}", server.address)).header(name, &value);
            server.send(ask("/own")).await.expect(200);
            server.send(ask(&format!("{BASE}/instances"))).await.expect(200);
        }
    }
}

/// Behind a proxy, the host of the request need not be that of the page.
#[tokio::test]
async fn pages_of_the_public_url_are_of_the_same_site() {
    let public = |api: Api| api.allow_anonymous(true).public_url("https://orders.example/api").expect("a URL");
    let server = Server::with(public, with_own_route).await;
    let from = |origin: &str| server.http.get(format!("http://{}/own", server.address)).header("origin", origin);
    server.send(from("https://orders.example")).await.expect(200);
    server.send(from("https://orders.example.evil")).await.expect(401);
}

#[tokio::test]
async fn a_guarded_route_takes_its_role_and_no_less() {
    let keys = |api: Api| api.key(Role::Read, "read").key(Role::Start, "start").key(Role::Manage, "manage");
    let server = Server::with(keys, with_own_route).await;
    let url = |path: &str| format!("http://{}{path}", server.address);
    for (query, status) in [("", 401), ("code=wrong", 401), ("code=read", 403), ("code=start", 200), ("CODE=manage", 200)] {
        let answer = server.send(server.http.post(url(&format!("/own?{query}")))).await.expect(status);
        assert_eq!(answer.text == "served", status == 200);
    }
    server.send(server.http.post(url("/open"))).await.expect(200);
    server.send(server.http.post(url("/elsewhere"))).await.expect_bare(404);

    let local = Server::new().await;
    let own = Server::with(|api| api, with_own_route).await;
    for (name, value) in [("x-forwarded-for", "203.0.113.9"), ("via", "1.1 proxy"), ("host", "evil.example")] {
        let request = own.http.post(format!("http://{}/own", own.address)).header(name, value);
        let refused = own.send(request).await.expect(401).json();
        let by_api = local.send(local.http.get(local.url("/instances")).header(name, value)).await.expect(401).json();
        assert_eq!(refused, by_api, "the application's routes answer as those of the API");
    }
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
    let spaced = [("forwarded", "for=\"a,b;host=evil\"; Host = r.example ;proto=https")];
    assert!(location(behind.send(start(&behind, &spaced)).await).starts_with("https://r.example/"));
    let evil = [("x-forwarded-host", "evil.example/path?"), ("x-forwarded-proto", "https")];
    assert!(location(behind.send(start(&behind, &evil)).await).starts_with(&format!("http://{}", behind.address)));

    let public = |api: Api| api.key(Role::Manage, "k").public_url("https://public.example/api/").expect("a URL");
    let public = Server::with(public, Api::router).await;
    assert!(location(public.send(start(&public, &headers)).await).starts_with(&format!("https://public.example/api{BASE}/")));
    public.post("/orchestrators/waits/w?code=k", "").await.expect(202);
    let status = public.get("/instances/w?code=k").await;
    assert_eq!(location(status), format!("https://public.example/api{BASE}/instances/w?code=k"));
    for wrong in ["orders.example", "/api", "https://a/?b", "https://a/b#c", "ftp://a"] {
        assert!(Api::new(public.client.clone()).public_url(wrong).is_err(), "{wrong}");
    }
}
