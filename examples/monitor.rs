//! Monitor: looks at a file every so often until it is there and has stopped growing, then tells. It may take weeks: after a number
//! of looks it continues as new, so that its history stays small.
//!
//! `cargo run --example monitor -- FILE --every 5`
//!
//! Kill it and run the same line again: it goes on with the count it had. `serve` watches what is asked for over HTTP:
//! `curl -i localhost:7071/orchestrators/monitor --json '{"file": "/tmp/report.csv", "every": 5}'`.

mod begin;
mod resume;
mod serve;

use std::num::ParseFloatError;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Error, Retry, ReuseId, Runtime, activity, orchestrator};
use serde::{Deserialize, Serialize};

/// Waits until a file is complete.
#[derive(Parser)]
#[command(arg_required_else_help = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    watch: Option<Watch>,
    /// The name of this watch; without it one is made of the path
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Serves Durable Functions' HTTP API until Ctrl-C
    Serve(serve::Listen),
}

/// What there is to watch.
#[derive(PartialEq, clap::Args, Serialize, Deserialize)]
struct Watch {
    /// The file somebody else writes
    file: PathBuf,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    every: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().map_err(|error: ParseFloatError| error.to_string())?;
    pause(seconds).map(|_| seconds)
}

/// A pause of so many seconds. Without one, the looks would keep a processor and the disk busy.
fn pause(seconds: f64) -> Result<Duration, String> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Err("it is no time at all".to_owned()),
        pause => pause.map_err(|error| error.to_string()),
    }
}

/// A watch, and what was seen so far.
#[derive(Serialize, Deserialize)]
struct Seen {
    #[serde(flatten)]
    watch: Watch,
    /// How often it was looked at, over all executions.
    #[serde(default)]
    looks: u64,
    /// The size at the last look.
    #[serde(default)]
    size: Option<u64>,
}

/// How many looks one history holds.
const LOOKS: u64 = 10;

/// The size of a file, if there is one. A disk that is away for minutes ends no watch.
#[activity(retry = Retry::exponential(Duration::from_secs(1)).max_attempts(10))]
async fn size_of(file: PathBuf) -> dacapo::Result<Option<u64>> {
    match tokio::fs::metadata(&file).await {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Looks until the file has the same size twice, and returns what was seen.
#[orchestrator]
async fn monitor(mut seen: Seen) -> dacapo::Result<Seen> {
    let every = pause(seen.watch.every).map_err(|error| Error::msg(format!("`every`: {error}")))?;
    for _ in 0..LOOKS {
        let size = size_of(seen.watch.file.clone()).await?;
        seen.looks += 1;
        if size.is_some() && size == seen.size {
            return Ok(seen);
        }
        seen.size = size;
        dacapo::set_custom_status(&seen.looks);
        dacapo::sleep(every).await;
    }
    dacapo::continue_as_new(monitor(seen)).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args: Args = begin::arguments();
    let runtime = Runtime::builder(args.store.url);
    let mut watch = match (args.command, args.watch) {
        (Some(Command::Serve(listen)), _) => return serve::serve(listen, runtime, Router::new()).await,
        (None, Some(watch)) => watch,
        (None, None) => return Err(Error::msg("give a file, or `serve`")),
    };
    watch.file = std::path::absolute(watch.file)?;
    let id = args.id.unwrap_or_else(|| resume::id(format!("monitor {}", resume::part_of_id(watch.file.display()))));
    let runtime = runtime.open().await?;
    resume::check(&runtime, &id, &watch).await?;
    let run = runtime.start(monitor(Seen { watch, looks: 0, size: None })).id(&id).reuse_id(ReuseId::UseExisting).await?;
    let ended = run.result().await;
    let execution = run.status().await?.execution();
    runtime.shutdown().await?;
    let Seen { watch, looks, size } = ended.map_err(resume::failed(&id))?;
    let (file, bytes) = (watch.file.display(), size.unwrap_or(0));
    println!("{file} is complete: {bytes} bytes, {looks} looks, execution {execution}");
    Ok(())
}
