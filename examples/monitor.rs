//! Monitor: looks at a file every so often until it is there and has stopped growing, then tells. It may take weeks: after a number
//! of looks it continues as new, so that its history stays small.
//!
//! `cargo run --example monitor -- FILE --every 5`
//!
//! Kill it and run the same line again: it goes on with the count it had. `serve` watches what is asked for over HTTP:
//! `curl -i localhost:7071/orchestrators/monitor --json '{"file": "/tmp/report.csv", "every": 5}'`.

mod serve;

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Error, ReuseId, Runtime, activity, orchestrator};
use serde::{Deserialize, Serialize};

/// Waits until a file is complete.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    watch: Option<Watch>,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Serves Durable Functions' HTTP API until Ctrl-C
    Serve(serve::Listen),
}

/// What there is to watch, and what was seen of it.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
struct Watch {
    /// The file somebody else writes
    file: PathBuf,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
    /// How often it was looked at, over all generations.
    #[arg(skip)]
    #[serde(default)]
    looks: u64,
    /// The size at the last look.
    #[arg(skip)]
    #[serde(default)]
    size: Option<u64>,
}

/// How many looks one history holds.
const LOOKS: u64 = 10;

/// The size of a file, if there is one.
#[activity]
async fn size_of(file: PathBuf) -> dacapo::Result<Option<u64>> {
    match tokio::fs::metadata(&file).await {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Looks until the file has the same size twice, and returns what was seen.
#[orchestrator]
async fn monitor(mut watch: Watch) -> dacapo::Result<Watch> {
    let every = Duration::try_from_secs_f64(watch.every).map_err(|error| Error::msg(format!("`every`: {error}")))?;
    for _ in 0..LOOKS {
        let size = size_of(watch.file.clone()).await?;
        watch.looks += 1;
        if size.is_some() && size == watch.size {
            return Ok(watch);
        }
        watch.size = size;
        dacapo::set_custom_status(&watch.looks);
        dacapo::sleep(every).await;
    }
    dacapo::continue_as_new(monitor(watch)).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args = Args::parse();
    let runtime = Runtime::builder(args.store.url);
    let mut watch = match (args.command, args.watch) {
        (Some(Command::Serve(listen)), _) => return serve::serve(listen, runtime, Router::new()).await,
        (None, Some(watch)) => watch,
        (None, None) => return Err(Error::msg("give a file, or `serve`")),
    };
    watch.file = std::path::absolute(watch.file)?;
    let id = format!("monitor {}", watch.file.display()).replace(['/', '\\', '#', '?'], ":");
    let runtime = runtime.open().await?;
    let run = runtime.start(monitor(watch)).id(id).reuse_id(ReuseId::UseExisting).await?;
    let seen = run.result().await?;
    let generation = run.status().await?.execution();
    println!(
        "{} is complete: {} bytes, {} looks, generation {generation}",
        seen.file.display(),
        seen.size.unwrap_or(0),
        seen.looks
    );
    runtime.shutdown().await?;
    Ok(())
}
