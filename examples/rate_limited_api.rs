//! Rate-limited API: a backlog of messages in a queue table goes through an API that takes 1,000 calls a minute and refuses more.
//!
//! ```sh
//! cargo run --example rate_limited_api -- api                   # the API; it answers 429 above its limit, and counts
//! cargo run --example rate_limited_api -- fill --count 1000     # from another terminal: the backlog
//! cargo run --example rate_limited_api -- work                  # empties it into results.json; kill it, start it again
//! ```
//!
//! Batches of ten, some at once. The limit belongs to the activity, so all batches share it; what fails all the same is tried up to five
//! times with growing waits. A message leaves the queue when its result is stored; one that has failed five times stays there
//! with the reason, and `work` tries it again the next time. `api --flaky 7` and `api --per-minute 600` show that nothing is lost.

mod begin;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::{Parser, Subcommand};
use dacapo::{Error, PerMinute, Retry, ReuseId, Runtime, activity, fan_out, orchestrator, try_fan_out};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use url::Url;

/// Empties a queue through an API that takes so much and no more.
#[derive(Parser)]
struct Args {
    /// The folder of the queue, the results and the history
    #[arg(long, global = true, default_value = ".")]
    folder: PathBuf,
    /// The database that remembers what has been done; without it `rate_limited_api.db` in the folder
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API until it is stopped
    Api {
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7099")]
        listen: SocketAddr,
        /// How many calls it takes in a minute, evenly spread; ten may come at once
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        per_minute: u32,
        /// Answers every N-th call with 503
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
        flaky: Option<u64>,
    },
    /// Puts messages into the queue
    Fill {
        #[arg(long, value_name = "N", default_value_t = 1000)]
        count: u32,
    },
    /// Works until the queue is empty
    Work {
        /// Where the API is
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7099", value_parser = base)]
        api: Url,
    },
}

/// A URL that others can be joined to, whether or not it was given with a `/` at its end.
fn base(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("it begins neither with http:// nor with https://".to_owned());
    }
    url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
    Ok(url)
}

/// How many messages one batch holds.
const BATCH: usize = 10;

#[derive(Clone, Serialize, Deserialize)]
struct Message {
    id: i64,
    text: String,
}

/// What became of a message: its label, or why there is none.
#[derive(Serialize, Deserialize)]
struct Outcome {
    id: i64,
    label: Result<String, String>,
}

/// How many messages were labelled, and how many were not.
#[derive(Default, Serialize, Deserialize)]
struct Tally {
    labelled: usize,
    failed: usize,
}

/// What the activities use.
struct Desk {
    queue: Mutex<Connection>,
    results: PathBuf,
    api: Url,
    http: reqwest::Client,
}

/// The next messages of the queue. They stay there until their results are stored.
#[activity]
fn take() -> dacapo::Result<Vec<Message>> {
    let desk = dacapo::state::<Desk>();
    let queue = locked(&desk.queue);
    let mut waiting = queue.prepare("SELECT id, text FROM messages WHERE failed IS NULL ORDER BY id LIMIT 200")?;
    let messages = waiting.query_map([], |row| Ok(Message { id: row.get(0)?, text: row.get(1)? }))?;
    Ok(messages.collect::<Result<_, _>>()?)
}

/// Asks the API for the label of one message, at the rate that it takes.
#[activity(
    rate_limit = PerMinute(1000),
    retry = Retry::exponential(Duration::from_millis(250)).max_attempts(5).jitter(0.2),
    timeout = Duration::from_secs(10)
)]
async fn label(message: Message) -> dacapo::Result<String> {
    let desk = dacapo::state::<Desk>();
    let request = desk.http.post(desk.api.join("label")?).json(&message);
    let request = request.header("idempotency-key", dacapo::activity::idempotency_key());
    Ok(request.send().await?.error_for_status()?.json().await?)
}

/// Stores the results of a batch, and then takes its messages from the queue. Done twice after a crash it does the same.
#[activity]
fn store(outcomes: Vec<Outcome>) -> dacapo::Result<Tally> {
    let desk = dacapo::state::<Desk>();
    let mut queue = locked(&desk.queue);
    let mut results = read_results(&desk.results)?;
    results.extend(outcomes.iter().filter_map(|Outcome { id, label }| Some((*id, label.clone().ok()?))));
    let part = desk.results.with_extension("part");
    std::fs::write(&part, serde_json::to_vec_pretty(&results)?)?;
    std::fs::File::open(&part)?.sync_all()?;
    std::fs::rename(part, &desk.results)?;

    let mut tally = Tally::default();
    let transaction = queue.transaction()?;
    for Outcome { id, label } in outcomes {
        match label {
            Ok(_) => tally.labelled += transaction.execute("DELETE FROM messages WHERE id = ?1", [id]).map(|_| 1)?,
            Err(why) => {
                tally.failed += 1;
                transaction.execute("UPDATE messages SET failed = ?2 WHERE id = ?1", params![id, why])?;
            }
        }
    }
    transaction.commit()?;
    Ok(tally)
}

/// All messages of a batch at once. One that fails does not stop the others.
#[orchestrator]
async fn work_batch(messages: Vec<Message>) -> dacapo::Result<Tally> {
    let labels = fan_out(messages.clone(), label).await;
    let outcome = |(message, label): (Message, dacapo::Result<String>)| Outcome {
        id: message.id,
        label: label.map_err(|error| error.to_string()),
    };
    store(messages.into_iter().zip(labels).map(outcome).collect()).await
}

/// Batch after batch, three at once, until nothing waits in the queue.
#[orchestrator]
async fn drain(mut tally: Tally) -> dacapo::Result<Tally> {
    let messages = take().await?;
    if messages.is_empty() {
        return Ok(tally);
    }
    let batches = messages.chunks(BATCH).map(<[Message]>::to_vec);
    for batch in try_fan_out(batches, work_batch).limit(3).await? {
        tally.labelled += batch.labelled;
        tally.failed += batch.failed;
    }
    dacapo::set_custom_status(&tally);
    dacapo::continue_as_new(drain(tally)).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let Args { folder, store, command } = begin::arguments();
    match command {
        Command::Api { listen, per_minute, flaky } => serve(listen, Meter::new(per_minute, flaky)).await,
        Command::Fill { count } => fill(&folder, count),
        Command::Work { api } => {
            let store = store.unwrap_or_else(|| format!("sqlite:{}", folder.join("rate_limited_api.db").display()));
            work(&folder, &store, api).await
        }
    }
}

async fn work(folder: &Path, store: &str, api: Url) -> dacapo::Result<()> {
    let queue = open_queue(folder)?;
    queue.execute("UPDATE messages SET failed = NULL WHERE failed IS NOT NULL", [])?;
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let results = folder.join("results.json");
    let desk = Desk { queue: Mutex::new(queue), results: results.clone(), api: api.clone(), http: http.clone() };
    let runtime = Runtime::builder(store).state(desk).open().await?;

    let begun = Instant::now();
    let run = match runtime.start(drain(Tally::default())).id("drain").reuse_id(ReuseId::ReplaceTerminal).await {
        Err(error) if error.is_already_exists() => {
            println!("going on");
            runtime.attach(drain, "drain")
        }
        started => started?,
    };
    let tally = run.result().await?;
    runtime.shutdown().await?;
    println!("{} labelled, {} failed in {:.1} s", tally.labelled, tally.failed, begun.elapsed().as_secs_f64());
    println!("{} results are in {}", read_results(&results)?.len(), results.display());
    if tally.failed > 0 {
        println!("what has failed is in the queue, with the reason; run this again to try it again");
    }
    let counts = http.get(api.join("counts")?).send().await;
    if let Ok(counts) = counts.and_then(reqwest::Response::error_for_status) {
        let Counts { answered, over_limit, broken, most_in_a_minute } = counts.json().await?;
        println!(
            "the API: {answered} answered, {over_limit} over the limit, {broken} broken, {most_in_a_minute} at most in a minute"
        );
    }
    Ok(())
}

fn open_queue(folder: &Path) -> rusqlite::Result<Connection> {
    let queue = Connection::open(folder.join("queue.db"))?;
    queue.execute_batch(
        "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, failed TEXT)",
    )?;
    Ok(queue)
}

fn fill(folder: &Path, count: u32) -> dacapo::Result<()> {
    const TEXTS: [&str; 3] = ["The lamp arrived broken, I want a refund", "When will the table be back?", "The chair is lovely"];
    let mut queue = open_queue(folder)?;
    let transaction = queue.transaction()?;
    for text in TEXTS.iter().cycle().take(count as usize) {
        transaction.execute("INSERT INTO messages (text) VALUES (?1)", [text])?;
    }
    transaction.commit()?;
    println!("{count} messages are in the queue");
    Ok(())
}

/// The labels by the ids of the messages.
fn read_results(path: &Path) -> dacapo::Result<BTreeMap<i64, String>> {
    let results = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.and_then(|text| Ok(serde_json::from_slice(&text)?)),
    };
    results.map_err(|error| Error::msg(format!("could not read `{}`: {error}", path.display())))
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the API has counted.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Counts {
    answered: u64,
    over_limit: u64,
    broken: u64,
    most_in_a_minute: usize,
}

/// The limit as the API keeps it, on its own: a bucket of ten, refilled evenly.
struct Meter {
    interval: Duration,
    flaky: Option<u64>,
    /// When the bucket will be full again.
    full_at: Instant,
    /// The calls of the last minute, those over the limit included.
    recent: VecDeque<Instant>,
    counts: Counts,
}

impl Meter {
    fn new(per_minute: u32, flaky: Option<u64>) -> Self {
        let interval = Duration::from_secs(60) / per_minute;
        Self { interval, flaky, full_at: Instant::now(), recent: VecDeque::new(), counts: Counts::default() }
    }

    /// Counts a call and says how it ends.
    fn admit(&mut self, now: Instant) -> StatusCode {
        self.recent.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        self.recent.push_back(now);
        self.counts.most_in_a_minute = self.counts.most_in_a_minute.max(self.recent.len());
        let full_at = self.full_at.max(now) + self.interval;
        if full_at > now + self.interval * 10 {
            self.counts.over_limit += 1;
            return StatusCode::TOO_MANY_REQUESTS;
        }
        self.full_at = full_at;
        if self.flaky.is_some_and(|every| (self.counts.answered + self.counts.broken + 1).is_multiple_of(every)) {
            self.counts.broken += 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        self.counts.answered += 1;
        StatusCode::OK
    }
}

type Shared = State<Arc<Mutex<Meter>>>;

async fn serve(listen: SocketAddr, meter: Meter) -> dacapo::Result<()> {
    let routes = Router::new().route("/label", post(answer)).route("/counts", get(counts));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, routes.with_state(Arc::new(Mutex::new(meter)))).await?)
}

async fn answer(State(meter): Shared, Json(message): Json<Message>) -> Result<Json<&'static str>, StatusCode> {
    match locked(&meter).admit(Instant::now()) {
        StatusCode::OK if message.text.contains("refund") => Ok(Json("complaint")),
        StatusCode::OK if message.text.contains('?') => Ok(Json("question")),
        StatusCode::OK => Ok(Json("praise")),
        refused => Err(refused),
    }
}

async fn counts(State(meter): Shared) -> Json<Counts> {
    Json(locked(&meter).counts.clone())
}
