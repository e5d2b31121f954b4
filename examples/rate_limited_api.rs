//! Rate-limited API: a backlog of messages in a queue table goes through an API that takes 1,000 calls a minute and refuses more.
//!
//! ```sh
//! cargo run --example rate_limited_api -- api                   # the API; it answers 429 above its limit, and counts
//! cargo run --example rate_limited_api -- fill --count 1000     # from another terminal: the backlog
//! cargo run --example rate_limited_api -- work                  # empties it into results.json; kill it, start it again
//! cargo run --example rate_limited_api -- serve                 # empties it every minute, and on request:
//! curl -i -X POST localhost:7071/api/drain
//! ```
//!
//! Each batch of up to ten messages is an orchestration of its own: it makes one call per message, and its output maps every message to
//! its final status, which is also merged into `results.json`. Rate and concurrency are limits of the activity, so all batches share
//! them. A call is attempted up to five times with exponential backoff, and never earlier than a `Retry-After` asks. A message leaves
//! the queue once its result is stored; one that failed five times stays there with the reason, and is tried again at the next start.
//! `api --per-minute 600`, `api --flaky 7` and `api --cut 7` show that nothing is lost.

mod begin;
mod label_api;
mod serve;
mod start;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use chrono::DateTime;
use clap::{Parser, Subcommand};
use dacapo::{
    Client, Error, Overlap, PerMinute, Retry, ReuseId, Runtime, Timetable, activity, fan_out, orchestrator, try_fan_out,
};
use label_api::{Behavior, Counts};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use url::Url;

/// Drains a queue through an API that accepts a limited number of calls a minute.
#[derive(Parser)]
struct Args {
    /// The folder of the queue and the results
    #[arg(long, global = true, default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    store: serve::Store,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API until it is stopped
    Api {
        /// Where to listen
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7099")]
        listen: SocketAddr,
        #[command(flatten)]
        behavior: Behavior,
    },
    /// Puts messages into the queue
    Fill {
        /// How many messages
        #[arg(long, value_name = "N", default_value_t = 1000)]
        count: u32,
    },
    /// Works until the queue is empty
    Work(Calls),
    /// Drains the queue on a schedule and on `POST /api/drain`, and serves Durable Functions' HTTP API, until Ctrl-C
    Serve {
        #[command(flatten)]
        listen: serve::Listen,
        #[command(flatten)]
        calls: Calls,
        /// How often to drain the queue, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        every: u64,
    },
}

/// How the API is called.
#[derive(clap::Args)]
struct Calls {
    /// Where the API is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7099", value_parser = base)]
    api: Url,
    /// How many calls to make in a minute
    #[arg(id = "rate", long = "per-minute", value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    per_minute: u32,
    /// How many calls may be open at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    at_once: u16,
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

/// The limits of the command line, calls in a minute and calls at once. They are there before the runtime opens.
static LIMITS: OnceLock<(u32, usize)> = OnceLock::new();

fn limits() -> (u32, usize) {
    *LIMITS.get_or_init(|| (1000, 10))
}

/// How many messages a batch holds at most.
const BATCH: usize = 10;

#[derive(Clone, Serialize, Deserialize)]
struct Message {
    id: i64,
    text: String,
}

/// What became of a message.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "Status", rename_all_fields = "PascalCase")]
enum FinalStatus {
    Succeeded { label: String },
    Failed { error: String },
}

type FinalStatuses = BTreeMap<i64, FinalStatus>;

/// How many messages have succeeded, and how many have not.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tally {
    succeeded: usize,
    failed: usize,
}

/// What the activities use.
struct Desk {
    queue: Arc<Mutex<Connection>>,
    results: PathBuf,
    api: Url,
    http: reqwest::Client,
}

/// Takes the next messages for this run. They stay in the queue until their results are stored; asked again it gives the same.
#[activity]
fn take() -> dacapo::Result<Vec<Message>> {
    let desk = dacapo::state::<Desk>();
    let queue = locked(&desk.queue);
    let run = dacapo::activity::instance_id();
    queue.execute(
        "UPDATE messages SET taken_by = ?1
         WHERE id IN (SELECT id FROM messages WHERE taken_by IS NULL AND failed IS NULL ORDER BY id LIMIT 200)
         AND NOT EXISTS (SELECT 1 FROM messages WHERE taken_by = ?1 AND failed IS NULL)",
        [&*run],
    )?;
    let mut taken = queue.prepare("SELECT id, text FROM messages WHERE taken_by = ?1 AND failed IS NULL ORDER BY id")?;
    let messages = taken.query_map([&*run], |row| Ok(Message { id: row.get(0)?, text: row.get(1)? }))?;
    Ok(messages.collect::<Result<_, _>>()?)
}

/// Asks the API for the label of one message.
#[activity(
    rate_limit = PerMinute(limits().0),
    max_concurrent = limits().1,
    retry = Retry::exponential(Duration::from_millis(250)).max_attempts(5).jitter(0.2),
    timeout = Duration::from_secs(10)
)]
async fn label(message: Message) -> dacapo::Result<String> {
    let desk = dacapo::state::<Desk>();
    let request = desk.http.post(desk.api.join("label")?).json(&message);
    let request = request.header("idempotency-key", dacapo::activity::idempotency_key());
    let answer = request.send().await?;
    let wait = retry_after(&answer);
    match answer.error_for_status() {
        Ok(answer) => Ok(answer.json().await?),
        Err(refused) => Err(wait.map_or(Error::from(refused), |(error, wait)| error.retry_after(wait))),
    }
}

/// Merges the results of a batch, and then takes its messages from the queue. Done twice after a crash it does the same.
#[activity]
fn store(statuses: FinalStatuses) -> dacapo::Result<()> {
    let desk = dacapo::state::<Desk>();
    let mut queue = locked(&desk.queue);
    let mut results = read_results(&desk.results)?;
    results.extend(statuses.clone());
    let part = desk.results.with_extension("part");
    std::fs::write(&part, serde_json::to_vec_pretty(&results)?)?;
    std::fs::File::open(&part)?.sync_all()?;
    std::fs::rename(part, &desk.results)?;

    let transaction = queue.transaction()?;
    for (id, status) in statuses {
        match status {
            FinalStatus::Succeeded { .. } => transaction.execute("DELETE FROM messages WHERE id = ?1", [id])?,
            FinalStatus::Failed { error } => {
                transaction.execute("UPDATE messages SET failed = ?2 WHERE id = ?1", params![id, error])?
            }
        };
    }
    Ok(transaction.commit()?)
}

/// All messages of a batch at once. One that fails does not stop the others.
#[orchestrator]
async fn work_batch(messages: Vec<Message>) -> dacapo::Result<FinalStatuses> {
    if messages.len() > BATCH {
        return Err(Error::msg(format!("a batch holds at most {BATCH} messages, got {}", messages.len())));
    }
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    let status = |label| match label {
        Ok(label) => FinalStatus::Succeeded { label },
        Err(error) => FinalStatus::Failed { error: Error::to_string(&error) },
    };
    let statuses: FinalStatuses = ids.into_iter().zip(fan_out(messages, label).await.into_iter().map(status)).collect();
    store(statuses.clone()).await?;
    Ok(statuses)
}

/// Batch after batch, three at once, until nothing waits in the queue.
#[orchestrator]
async fn drain(mut tally: Tally) -> dacapo::Result<Tally> {
    let messages = take().await?;
    if messages.is_empty() {
        return Ok(tally);
    }
    let batches = messages.chunks(BATCH).map(<[Message]>::to_vec);
    for status in try_fan_out(batches, work_batch).limit(3).await?.iter().flat_map(BTreeMap::values) {
        match status {
            FinalStatus::Succeeded { .. } => tally.succeeded += 1,
            FinalStatus::Failed { .. } => tally.failed += 1,
        }
    }
    dacapo::set_custom_status(&tally);
    dacapo::continue_as_new(drain(tally)).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let Args { folder, store: serve::Store { url }, command } = begin::arguments();
    match command {
        Command::Api { listen, behavior } => label_api::serve(listen, behavior).await,
        Command::Fill { count } => fill(&folder, count),
        Command::Work(calls) => work(&folder, &url, calls).await,
        Command::Serve { listen, calls, every } => {
            let desk = open_desk(&folder, calls)?;
            let routes = Router::new().route("/api/drain", post(start_drain)).layer(Extension(desk.queue.clone()));
            let queue = desk.queue.clone();
            serve::serve_prepared(listen, Runtime::builder(url).state(desk), routes, async move |client: Client| {
                release(&client, &queue).await?;
                let (schedule, timetable) = (client.schedule("drain"), Timetable::every(Duration::from_secs(every)));
                match schedule.create(timetable.clone(), drain(Tally::default())).overlap(Overlap::Skip).await {
                    Err(error) if error.is_already_exists() => {
                        Ok(schedule.update(timetable, drain(Tally::default())).overlap(Overlap::Skip).await?)
                    }
                    created => Ok(created?),
                }
            })
            .await
        }
    }
}

fn open_desk(folder: &Path, Calls { api, per_minute, at_once }: Calls) -> dacapo::Result<Desk> {
    LIMITS.get_or_init(|| (per_minute, at_once.into()));
    let queue = open_queue(folder)?;
    queue.execute("UPDATE messages SET failed = NULL, taken_by = NULL WHERE failed IS NOT NULL", [])?;
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    Ok(Desk { queue: Arc::new(Mutex::new(queue)), results: folder.join("results.json"), api, http })
}

/// Gives back the messages of runs that have ended without them.
async fn release(client: &Client, queue: &Mutex<Connection>) -> dacapo::Result<()> {
    let holders: Vec<String> = {
        let queue = locked(queue);
        let mut holders =
            queue.prepare("SELECT DISTINCT taken_by FROM messages WHERE taken_by IS NOT NULL AND failed IS NULL")?;
        holders.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    for holder in holders {
        let works = match client.status(&holder).await {
            Err(error) if error.is_not_found() => false,
            status => !status?.runtime_status().is_terminal(),
        };
        if !works {
            locked(queue).execute("UPDATE messages SET taken_by = NULL WHERE taken_by = ?1 AND failed IS NULL", [&holder])?;
        }
    }
    Ok(())
}

/// Starts to empty the queue now. Runs that are under way go on; no two have the same messages.
async fn start_drain(client: axum::extract::State<Client>, queue: Extension<Arc<Mutex<Connection>>>, request: Parts) -> Response {
    if let Err(error) = release(&client, &queue).await {
        // They are left to the next start of the program.
        tracing::error!("could not give back the messages of runs that have ended: {error}");
    }
    start::accepted(client.start(drain(Tally::default())).await, &request)
}

async fn work(folder: &Path, store: &str, calls: Calls) -> dacapo::Result<()> {
    let desk = open_desk(folder, calls)?;
    let (queue, results, api, http) = (desk.queue.clone(), desk.results.clone(), desk.api.clone(), desk.http.clone());
    let runtime = Runtime::builder(store).state(desk).open().await?;
    release(&runtime, &queue).await?;

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
    println!("{} succeeded, {} failed in {:.1} s", tally.succeeded, tally.failed, begun.elapsed().as_secs_f64());
    println!("{} results are in {}", read_results(&results)?.len(), results.display());
    if tally.failed > 0 {
        println!("what has failed is in the queue, with the reason; run this again to try it again");
    }
    let counts = http.get(api.join("counts")?).send().await;
    if let Ok(counts) = counts.and_then(reqwest::Response::error_for_status) {
        let Counts { answered, over_limit, broken, cut, most_in_a_minute, most_at_once } = counts.json().await?;
        println!("the API: {answered} answered, {over_limit} over the limit, {broken} broken, {cut} cut");
        println!("the API: at most {most_in_a_minute} in a minute, {most_at_once} at once");
    }
    Ok(())
}

/// What an answer's `Retry-After` asks for, as seconds or as a date.
fn retry_after(answer: &reqwest::Response) -> Option<(Error, Duration)> {
    let value = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let until = || {
        let at: SystemTime = DateTime::parse_from_rfc2822(value).ok()?.into();
        Some(at.duration_since(SystemTime::now()).unwrap_or_default())
    };
    let wait = value.parse().ok().map(Duration::from_secs).or_else(until)?;
    Some((Error::msg(format!("the API answered {} and wants a pause of {wait:?}", answer.status())), wait))
}

fn open_queue(folder: &Path) -> rusqlite::Result<Connection> {
    let queue = Connection::open(folder.join("queue.db"))?;
    queue.execute_batch(
        "CREATE TABLE IF NOT EXISTS messages
         (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, taken_by TEXT, failed TEXT)",
    )?;
    queue.busy_timeout(Duration::from_secs(5))?;
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

/// What became of the messages, by their ids.
fn read_results(path: &Path) -> dacapo::Result<FinalStatuses> {
    let results = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.and_then(|text| Ok(serde_json::from_slice(&text)?)),
    };
    results.map_err(|error| Error::msg(format!("could not read `{}`: {error}", path.display())))
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
