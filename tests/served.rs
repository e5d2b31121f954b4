//! The examples that serve, driven over HTTP as a user of each would: started, asked, signalled, stopped and started again.

#[allow(dead_code, reason = "only one helper is needed here")]
#[path = "support/exchange.rs"]
mod exchange;
mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dacapo::store::Event;
use exchange::send;
use futures::future::join_all;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use support::block_on;
use support::programs::{Place, Served};

/// Where the API has its instances.
const INSTANCES: &str = "/runtime/webhooks/durabletask/instances";

async fn json_of(answer: Response) -> Value {
    answer.json().await.expect("the answer is JSON")
}

/// Starts something and gives the `Location` to ask at.
async fn start(server: &Served, path: &str, body: Value) -> String {
    let answer = send(Method::POST, &format!("{}{path}", server.host), Some(body)).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED, "{path}");
    answer.headers()["location"].to_str().expect("a URL").to_owned()
}

/// Asks until `reached`, or until the answer is 200, and gives the last answer.
async fn ask(location: &str, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = send(Method::GET, location, None).await;
        let has_ended = answer.status() == StatusCode::OK;
        let state = if answer.status() == StatusCode::NOT_FOUND { Value::Null } else { json_of(answer).await };
        if reached(&state) || has_ended {
            return state;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "a minute, and not yet {what}: {state}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The output of what has completed.
async fn output(location: &str) -> Value {
    let state = ask(location, "the end", |_| false).await;
    assert_eq!(state["runtimeStatus"], "Completed", "{state}");
    state["output"].clone()
}

/// Why it has failed.
async fn failure(location: &str) -> String {
    let state = ask(location, "the end", |_| false).await;
    assert_eq!(state["runtimeStatus"], "Failed", "{state}");
    state["output"].as_str().expect("a sentence").to_owned()
}

/// The same location at a server that was started again.
fn moved(location: &str, server: &Served) -> String {
    let at = location.find(INSTANCES).expect("a location");
    format!("{}{}", server.host, &location[at..])
}

#[test]
fn fan_out_answers_at_once_and_keeps_the_order_and_the_results() {
    let place = Place::of("fan_out_fan_in");
    let server = place.served(&[]);
    let five: Vec<_> = (1..=5).map(|number| format!("Processed item-{number}")).collect();
    let location = block_on(async {
        let answer = send(Method::POST, &format!("{}/api/start-fanout", server.host), None).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let location = answer.headers()["location"].to_str().expect("a URL").to_owned();
        assert_eq!(output(&location).await, json!(five));
        for body in [json!("no list"), json!([1])] {
            let refused = send(Method::POST, &format!("{}/api/start-fanout", server.host), Some(body)).await;
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            assert!(refused.text().await.expect("text").contains("a JSON list of strings"));
        }
        location
    });
    assert!(server.kill());
    let server = place.served(&[]);
    assert_eq!(block_on(output(&moved(&location, &server))), json!(five));
}

#[test]
fn a_programs_own_routes_have_the_access_check_of_the_api() {
    let place = Place::of("fan_out_fan_in");
    let ask = async |server: &Served, path: &str, name: &'static str, value: &str| {
        let request = reqwest::Client::new().post(format!("{}{path}", server.host)).header(name, value);
        request.json(&json!(["a"])).send().await.expect("the server answers").status().as_u16()
    };
    let orchestrator = "orchestrators/fan_out_fan_in_orchestrator";
    let routes = ["/api/start-fanout", &format!("/{orchestrator}"), &format!("/api/{orchestrator}")];
    let (open, keyed) = (place.served(&[]), place.served(&["--store", "sqlite:keyed.db", "--key", "k"]));
    block_on(async {
        for route in routes {
            for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("via", "1.1 proxy")] {
                assert_eq!(ask(&open, route, name, value).await, 401, "{route} {name}");
                assert_eq!(ask(&keyed, route, name, value).await, 401, "{route} {name}");
                assert_eq!(ask(&keyed, &format!("{route}?code=k"), name, value).await, 202, "{route} {name}");
            }
            assert_eq!(ask(&open, route, "sec-fetch-site", "same-origin").await, 202, "{route}");
        }
    });
}

/// The route, the names and the body are those of the Microsoft sample.
#[test]
fn a_backup_is_started_by_both_names_with_a_directory_in_quotes() {
    let place = Place::of("backup");
    fs::create_dir_all(place.path("site/images")).expect("a folder");
    fs::write(place.path("site/index.html"), "<html></html>").expect("a file");
    fs::write(place.path("site/images/a.png"), [0; 1000]).expect("a file");
    let (server, site) = (place.served(&[]), place.path("site").canonicalize().expect("a path"));
    let copies = place.path("backups").join(site.strip_prefix("/").expect("it is absolute"));
    block_on(async {
        for base in ["", "/runtime/webhooks/durabletask"] {
            for name in ["backup_site_content", "E2_BackupSiteContent"] {
                let location = start(&server, &format!("{base}/orchestrators/{name}"), json!(site)).await;
                assert_eq!(output(&location).await, json!(1013));
                assert_eq!(fs::read(copies.join("images/a.png")).expect("a copy"), [0; 1000]);
                fs::remove_dir_all(&copies).expect("the copies are there");
            }
        }
        let missing = start(&server, "/orchestrators/E2_BackupSiteContent", json!("/no/such/folder")).await;
        let why = failure(&missing).await;
        assert!(why.contains("could not read the source `/no/such/folder`: No such file"), "{why}");
        let above = start(&server, "/orchestrators/E2_BackupSiteContent", json!("/")).await;
        let why = failure(&above).await;
        assert!(why.contains("must lie apart"), "{why}");
        let list = start(&server, "/orchestrators/E2_BackupSiteContent", json!(["no", "string"])).await;
        let why = failure(&list).await;
        assert!(why.contains("expected a string"), "{why}");
        let nothing = send(Method::POST, &format!("{}/orchestrators/E2_Unknown", server.host), Some(json!("site"))).await;
        assert_eq!(nothing.status(), StatusCode::BAD_REQUEST);
    });
}

#[test]
fn a_served_backup_goes_on_after_a_kill_and_copies_no_recorded_file_again() {
    let place = Place::of("backup");
    fs::create_dir_all(place.path("site")).expect("a folder");
    for number in 0..600 {
        fs::write(place.path(&format!("site/{number}")), vec![b'x'; number]).expect("a file");
    }
    let (mut server, site) = (place.served(&[]), place.path("site").canonicalize().expect("a path"));
    let copies = place.path("backups").join(site.strip_prefix("/").expect("it is absolute"));
    let location = block_on(start(&server, "/orchestrators/E2_BackupSiteContent/site", json!(site)));
    let written = |name: &str| fs::metadata(copies.join(name)).and_then(|file| file.modified()).expect("a copy");
    let mut before = Vec::new();
    for target in [100, 300] {
        assert!(server.run_until("files", || fs::read_dir(&copies).is_ok_and(|files| files.count() >= target)));
        assert!(server.kill());
        let recorded: Vec<String> = support::completed(&support::history(&place.path("backup.db"), "site"), "E2_CopyFileToBlob")
            .iter()
            .map(|(input, _)| {
                input.decode::<PathBuf>().expect("a path").file_name().expect("a name").to_string_lossy().into_owned()
            })
            .collect();
        assert!((1..600).contains(&recorded.len()), "{} are recorded", recorded.len());
        before.extend(recorded.into_iter().map(|name| (written(&name), name)));
        server = place.served(&[]);
    }
    assert_eq!(block_on(output(&moved(&location, &server))), json!((0..600).sum::<u32>()));
    for (at, name) in before {
        assert_eq!(written(&name), at, "{name} was recorded, and is copied again");
    }
}

#[test]
fn directories_whose_names_are_like_parts_of_urls_have_copies_of_their_own() {
    let place = Place::of("backup");
    let names = ["q", "q#1", "q#2", "q?x=1", "A1", "%41%31", "with space"];
    for name in names {
        fs::create_dir_all(place.path(name)).expect("a folder");
        fs::write(place.path(name).join("file"), name).expect("a file");
    }
    let root = place.path("").canonicalize().expect("a path");
    for destination in ["copies".to_owned(), format!("file://{}/by%20url", root.display())] {
        let server = place.served(&["--destination", &destination]);
        let folder = root.join(if destination == "copies" { "copies" } else { "by url" });
        let copies = folder.join(root.strip_prefix("/").expect("it is absolute"));
        block_on(async {
            for name in names {
                output(&start(&server, "/orchestrators/E2_BackupSiteContent", json!(root.join(name))).await).await;
            }
        });
        for name in names {
            assert_eq!(fs::read_to_string(copies.join(name).join("file")).expect("a copy"), name);
        }
    }
}

#[test]
fn backups_of_one_directory_at_once_are_in_nobodys_way() {
    let place = Place::of("backup");
    fs::create_dir_all(place.path("site")).expect("a folder");
    for number in 0..200 {
        fs::write(place.path(&format!("site/{number}")), vec![b'x'; number]).expect("a file");
    }
    let (server, site) = (place.served(&[]), place.path("site").canonicalize().expect("a path"));
    let copies = place.path("backups").join(site.strip_prefix("/").expect("it is absolute"));
    block_on(async {
        let route = "/orchestrators/E2_BackupSiteContent";
        let run = async |id: u32| output(&start(&server, &format!("{route}/{id}"), json!(site)).await).await;
        for bytes in join_all((0..4).map(run)).await {
            assert_eq!(bytes, json!((0..200).sum::<u32>()));
        }
    });
    assert_eq!(fs::read_dir(&copies).expect("copies").count(), 200, "each has its name, and nothing is left between");
    assert!(server.kill());
    for id in ["0", "1", "2", "3"] {
        let history = support::history(&place.path("backup.db"), id);
        let failed = |event: &&Event| matches!(event, Event::TaskFailed { .. });
        assert_eq!(history.iter().flat_map(|turn| &turn.events).filter(failed).count(), 0, "no copy was tried twice");
    }
}

#[test]
fn an_approval_is_asked_for_seen_and_decided_over_http() {
    let place = Place::of("approval");
    let server = place.served(&[]);
    let asked = json!({ "name": "conference", "amount": 900 });
    let location = block_on(async {
        let location = start(&server, "/orchestrators/expense/conference", asked).await;
        let waits = |state: &Value| state["customStatus"] == "waits for the manager";
        assert_eq!(ask(&location, "a question", waits).await["runtimeStatus"], "Running");
        location
    });
    assert!(server.kill());

    let server = place.served(&[]);
    let (decision, location) = (format!("{}{INSTANCES}/conference/raiseEvent/decision", server.host), moved(&location, &server));
    block_on(async {
        let decided = send(Method::POST, &decision, Some(json!({ "approved": true, "by": "Ada" }))).await;
        assert_eq!(decided.status(), StatusCode::ACCEPTED);
        assert_eq!(output(&location).await, "conference is approved by Ada");
        let late = send(Method::POST, &decision, Some(json!({ "approved": false, "by": "Bob" }))).await;
        assert_eq!(late.status(), StatusCode::GONE);

        let asked = json!({ "name": "trip", "amount": 900, "patience": 0 });
        let trip = start(&server, "/orchestrators/expense", asked).await;
        assert_eq!(output(&trip).await, "trip is refused, nobody has decided");
        let why = failure(&start(&server, "/orchestrators/expense", json!({})).await).await;
        assert!(why.contains("missing field `name`"), "{why}");
    });
}

#[test]
fn a_counter_adds_for_many_clients_at_once() {
    let place = Place::of("counter");
    let server = place.served(&[]);
    block_on(async {
        let add = json!({ "name": "visits", "add": 2, "times": 50 });
        let starts = (0..8).map(|_| start(&server, "/orchestrators/add_up", add.clone()));
        let locations = futures::future::join_all(starts).await;
        futures::future::join_all(locations.iter().map(|location| output(location))).await;

        let nothing = json!({ "name": "visits", "add": 2, "times": 0 });
        assert_eq!(output(&start(&server, "/orchestrators/add_up", nothing).await).await, json!(800));

        let entity = format!("{}/runtime/webhooks/durabletask/entities/counter/visits", server.host);
        let signal = format!("{entity}?op=add");
        let signals = (0..30).map(|_| send(Method::POST, &signal, Some(json!(-1))));
        for answer in futures::future::join_all(signals).await {
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
        }
        let begun = Instant::now();
        while json_of(send(Method::GET, &entity, None).await).await != json!({ "value": 770, "changes": 430 }) {
            assert!(begun.elapsed() < Duration::from_secs(60), "a signal is lost");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    server.interrupt();
    assert_eq!(server.ended(), (true, "stopped\n".into()));
    assert_eq!(place.run(&["visits"]), "visits is 770 after 430 changes\n");
}

#[test]
fn batch_orders_gives_its_summary_over_http() {
    let place = Place::of("batch_orders");
    place.run(&["--sample", "orders.csv"]);
    let server = place.served(&["--latency", "0"]);
    block_on(async {
        let summary = output(&start(&server, "/orchestrators/process_batch", json!("orders.csv")).await).await;
        assert_eq!((&summary["lines"], &summary["rejected"][0]["line"]), (&json!(500), &json!(101)));
        let why = failure(&start(&server, "/orchestrators/process_batch", json!("missing.csv")).await).await;
        assert!(why.contains("could not read `missing.csv`"), "{why}");
        let route = "/orchestrators/process_batch";
        let again = async |_| output(&start(&server, route, json!("orders.csv")).await).await;
        for again in join_all((0..6).map(again)).await {
            assert_eq!(again, summary, "batches of one file at once are in nobody's way");
        }
    });
}

#[test]
fn a_batch_asked_for_again_has_receipts_of_its_own() {
    let place = Place::of("batch_orders");
    let server = place.served(&["--latency", "0"]);
    for customer in ["Ada", "Bob"] {
        let orders = "customer,item,quantity\n".to_owned() + &format!("{customer},lamp,1\n").repeat(3);
        fs::write(place.path("orders.csv"), orders).expect("a file");
        block_on(async { output(&start(&server, "/orchestrators/process_batch/again", json!("orders.csv")).await).await });
    }
    let folders = fs::read_dir(place.path("receipts")).expect("the receipts").map(|entry| entry.expect("an entry").path());
    let files = |folder: PathBuf| fs::read_dir(folder).expect("a folder").count();
    assert_eq!(folders.map(files).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn a_monitor_is_started_and_watched_over_http() {
    let place = Place::of("monitor");
    let server = place.served(&[]);
    block_on(async {
        let file = place.path("report.csv");
        let location = start(&server, "/orchestrators/monitor", json!({ "file": file, "every": 0.01 })).await;
        let has_looked = |state: &Value| state["customStatus"].as_u64().is_some_and(|looks| looks > 10);
        assert_eq!(ask(&location, "the second execution", has_looked).await["runtimeStatus"], "Running");
        fs::write(&file, "complete").expect("a file");
        assert_eq!(output(&location).await["size"], 8);
        for (every, wrong) in [(-1, "negative"), (0, "no time at all")] {
            let watch = json!({ "file": file, "every": every });
            let why = failure(&start(&server, "/orchestrators/monitor", watch).await).await;
            assert!(why.contains("`every`") && why.contains(wrong), "{why}");
        }
    });
}

#[test]
fn a_saga_takes_orders_over_http() {
    let place = Place::of("saga");
    let server = place.served(&[]);
    block_on(async {
        let order = |item: &str, euros: i64| start(&server, "/orchestrators/order", json!({ "item": item, "euros": euros }));
        assert_eq!(output(&order("lamp", 100).await).await, "lamp is on its way");
        let said = output(&order("piano", 100).await).await;
        assert_eq!(said, "piano was not bought: the carrier takes no pianos");
        let why = failure(&order("lamp", -100).await).await;
        assert!(why.contains("invalid value: integer `-100`"), "{why}");
    });
    server.interrupt();
    assert!(server.ended().0);
    assert!(place.run(&["unicorn"]).ends_with("14 things on the shelf, 900 € in the account\n"));
}

#[test]
fn ctrl_c_lets_requests_end_and_nothing_is_lost() {
    let place = Place::of("batch_orders");
    place.run(&["--sample", "orders.csv", "--lines", "60"]);
    let server = place.served(&["--latency", "400"]);
    let location = block_on(async {
        let host = server.host.clone();
        let waits = tokio::spawn(async move {
            let path = format!("{host}/orchestrators/process_batch/a?timeout=60&pollingInterval=1");
            send(Method::POST, &path, Some(json!("orders.csv"))).await
        });
        let location = format!("{}{INSTANCES}/a", server.host);
        ask(&location, "the start", |state| state["runtimeStatus"] == "Running").await;
        server.interrupt();
        let answer = waits.await.expect("it is answered");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(json_of(answer).await["lines"], 60);
        location
    });
    let (ended_well, said) = server.ended();
    assert!(ended_well && said == "stopped\n", "{said}");
    let server = place.served(&[]);
    assert_eq!(block_on(output(&moved(&location, &server)))["lines"], 60);
}

#[test]
fn ctrl_c_does_not_wait_for_a_request_without_end() {
    let place = Place::of("approval");
    let server = place.served(&[]);
    block_on(async {
        let location = start(&server, "/orchestrators/expense", json!({ "name": "conference", "amount": 900 })).await;
        let stream = reqwest::Client::new().get(&location).header("accept", "text/event-stream").send().await;
        let mut stream = stream.expect("a stream");
        assert!(stream.chunk().await.expect("it is open").is_some());
        server.interrupt();
        assert!(server.ended().0, "the stream is open, and the program has ended");
    });
}

/// Whoever sends half of a header, or nothing, or nothing more, holds a connection for a time and not for ever.
#[test]
fn connections_without_a_whole_header_are_closed() {
    let place = Place::of("fan_out_fan_in");
    let server = place.served(&["--header-timeout", "1"]);
    let address = server.host.strip_prefix("http://").expect("an address");
    let whole = format!("GET /elsewhere HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for sent in ["", "G", "GET / HTTP/1.1\r\nHost: ", &whole, &format!("{whole}GET / HTTP/1.1\r\n")] {
        let mut socket = std::net::TcpStream::connect(address).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        socket.write_all(sent.as_bytes()).expect("it is open");
        let begun = Instant::now();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{sent:?} is not closed: {error}"));
        assert!(begun.elapsed() >= Duration::from_millis(900), "{sent:?} is closed before its time");
        assert_eq!(answer.starts_with("HTTP/1.1 404"), sent.starts_with(&whole), "{sent:?}: {answer}");
    }
}

#[test]
fn options_may_stand_before_serve_and_arguments_may_not() {
    let elsewhere = ["--store", "sqlite:elsewhere.db"];
    let programs: [(_, &[&str], &[&str]); 5] = [
        ("backup", &elsewhere, &["source"]),
        ("batch_orders", &["--latency", "0", "--store", "sqlite:elsewhere.db", "--receipts", "r"], &["--sample", "orders.csv"]),
        ("counter", &elsewhere, &["visits", "--add", "1"]),
        ("monitor", &elsewhere, &["--every", "1"]),
        ("saga", &["--shop", "a.db", "--latency", "0", "--store", "sqlite:elsewhere.db"], &["lamp"]),
    ];
    for (name, options, arguments) in programs {
        let place = Place::of(name);
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let served = Served::start(&mut place.program(&[options, &serve].concat()));
        assert!(place.path("elsewhere.db").exists() && served.kill(), "{name}");
        let output = place.program(&[arguments, &["serve"]].concat()).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && text.contains("the subcommand 'serve' cannot be used with '"),
            "{name}: {text}"
        );
    }
}

#[test]
fn a_taken_address_and_a_wrong_store_are_said_in_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").to_string();
    let holder = std::net::TcpListener::bind(&taken).expect("it is free");
    for name in ["fan_out_fan_in", "backup", "approval", "monitor", "saga", "counter", "batch_orders"] {
        let place = Place::of(name);
        let (good, text) = place.ends(&["serve", "--listen", &taken]);
        assert!(!good && text.starts_with(&format!("Error: cannot listen on {taken}: Address already in use")), "{name}: {text}");
        assert!(!place.path(&format!("{name}.db")).exists(), "{name} has begun to work before it knew that it can serve");
        let (good, text) = place.ends(&["serve", "--listen", "127.0.0.1:0", "--store", "nonsense"]);
        assert!(!good && text.starts_with("Error: `nonsense` names no store"), "{name}: {text}");
        let (good, text) = place.ends(&["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:no/such/folder/x.db"]);
        assert!(!good && text.starts_with("Error: could not open the database `no/such/folder/x.db`"), "{name}: {text}");
        let (good, text) = place.ends(&["serve", "--listen", "nowhere"]);
        assert!(!good && text.contains("invalid value 'nowhere' for '--listen <ADDR>'"), "{name}: {text}");
    }
    drop(holder);
}
