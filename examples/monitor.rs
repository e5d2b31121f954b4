//! Monitor: looks at a file every so often until it is there and has stopped growing, then tells. It may take weeks: after a number
//! of looks it continues as new, so that its history stays small.
//!
//! `cargo run --example monitor -- FILE --every 5`
//!
//! Kill it and run the same line again: it goes on with the count it had.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use dacapo::{ReuseId, Runtime, activity, orchestrator};
use serde::{Deserialize, Serialize};

/// Waits until a file is complete.
#[derive(Parser)]
struct Args {
    /// The file somebody else writes
    file: PathBuf,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
    /// The database that remembers what has been seen
    #[arg(long, value_name = "URL", default_value = "sqlite:monitor.db")]
    store: String,
}

/// What there is to watch, and what was seen of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watch {
    file: PathBuf,
    every: Duration,
    /// How often it was looked at, over all generations.
    looks: u64,
    /// The size at the last look.
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
    for _ in 0..LOOKS {
        let size = size_of(watch.file.clone()).await?;
        watch.looks += 1;
        if size.is_some() && size == watch.size {
            return Ok(watch);
        }
        watch.size = size;
        dacapo::set_custom_status(&watch.looks);
        dacapo::sleep(watch.every).await;
    }
    dacapo::continue_as_new(monitor(watch)).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args = Args::parse();
    let runtime = Runtime::open(&args.store).await?;
    let file = std::path::absolute(&args.file)?;
    let id = format!("monitor {}", file.display()).replace(['/', '\\', '#', '?'], ":");
    let watch = Watch { file, every: Duration::from_secs_f64(args.every), looks: 0, size: None };
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
