//! Cloud backup: every file of a directory is copied into an object store, many at once, and the run survives `kill -9`.
//!
//! `cargo run --release --example backup -- SOURCE DESTINATION`
//!
//! DESTINATION is a folder or a URL. Those of clouds need a feature of `object_store`, and its usual environment variables:
//! `cargo run --release --example backup --features object_store/aws -- ~/photos s3://bucket/photos` (or `/gcp`, `/azure`).
//!
//! Run the same command again after a crash: the backup continues, and files whose copy is recorded are not copied again. The names,
//! the route, the input and the output are those of Durable Functions' sample:
//!
//! ```sh
//! cargo run --release --example backup -- serve       # copies into the folder `backups`, or --destination
//! curl -i localhost:7071/orchestrators/E2_BackupSiteContent --json '"/home/ada/photos"'
//! ```

#[path = "../begin/mod.rs"]
mod begin;
mod destination;
#[path = "../resume/mod.rs"]
mod resume;
#[path = "../serve/mod.rs"]
mod serve;
mod source;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Error, InstanceStatus, Retry, ReuseId, Runtime, activity, orchestrator};
use destination::{Destinations, Staging, check_name, folder_of};
use futures::stream::{self, StreamExt as _};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use object_store::{ObjectStoreExt as _, buffered::BufWriter, path::Path as Key};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWriteExt as _, BufReader};

/// Copies a directory into an object store. Run again after a crash, it continues where it stopped.
#[derive(Parser)]
#[command(arg_required_else_help = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    backup: Option<Backup>,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Serves Durable Functions' HTTP API until Ctrl-C: `E2_BackupSiteContent` takes a directory and returns the number of bytes
    Serve {
        #[command(flatten)]
        listen: serve::Listen,
        /// The container of all copies, each file below its absolute path: a folder, or a URL
        #[arg(long, default_value = "backups")]
        destination: String,
    },
}

#[derive(clap::Args)]
struct Backup {
    /// The directory to back up
    source: PathBuf,
    /// Where to: a folder, or a URL such as file:///mnt/backup
    destination: String,
    /// The name of this backup; without it, one is made of source and destination, so that the same command continues the same backup
    #[arg(long)]
    id: Option<String>,
    /// How many files to copy at once; a backup that continues keeps the number it was started with
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
}

/// What is backed up. Over HTTP it is a directory, whose files go into the container of the server below their absolute paths.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string with the path of a directory")]
enum Site {
    Directory(String),
    Mirror { source: String, destination: String, parallel: u16 },
}

impl Site {
    /// The directory, and how many of its files are copied at once.
    fn directory(&self) -> (&str, u16) {
        match self {
            Self::Directory(directory) => (directory, 16),
            Self::Mirror { source, parallel, .. } => (source, *parallel),
        }
    }

    fn file(&self, path: String) -> dacapo::Result<File> {
        let Self::Mirror { source, destination, .. } = self else { return Ok(File::Path(path)) };
        check_name(&path, destination)?;
        let (source, destination) = (source.clone(), destination.clone());
        let path = source::below(&path, &source)?;
        Ok(File::Mirrored { source, destination, path })
    }
}

/// What one call copies: a file of the container by its absolute path, or one of a mirror by its path below the source.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum File {
    Path(String),
    Mirrored { source: String, destination: String, path: String },
}

/// How far the backup is.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    files_done: u64,
    files: u64,
    bytes_done: u64,
    /// Files that were deleted between listing and copy.
    gone: u64,
}

#[orchestrator(name = "E2_BackupSiteContent")]
async fn backup_site_content(site: Site) -> dacapo::Result<u64> {
    back_up(site).await
}

/// The same under a name of Rust.
#[orchestrator(name = "backup_site_content")]
async fn same_in_snake_case(site: Site) -> dacapo::Result<u64> {
    back_up(site).await
}

/// Copies all files and returns how many bytes they have.
#[orchestrator(inline)]
async fn back_up(site: Site) -> dacapo::Result<u64> {
    let (directory, parallel) = site.directory();
    let files = get_file_list(directory.to_owned()).await?;
    let files = files.into_iter().map(|path| site.file(path)).collect::<dacapo::Result<Vec<_>>>()?;
    let mut progress = Progress { files: files.len() as u64, ..Progress::default() };
    dacapo::set_custom_status(&progress);

    let mut copies = stream::iter(files.into_iter().map(copy_file_to_blob)).buffer_unordered(usize::from(parallel));
    while let Some(copied) = copies.next().await {
        match copied? {
            Some(bytes) => {
                progress.files_done += 1;
                progress.bytes_done += bytes;
            }
            None => progress.gone += 1,
        }
        dacapo::set_custom_status(&progress);
    }
    Ok(progress.bytes_done)
}

/// The absolute paths of all regular files in `root_directory` and below. Links are not followed, so there are no loops.
#[activity(name = "E2_GetFileList")]
fn get_file_list(root_directory: String) -> dacapo::Result<Vec<String>> {
    let shared = dacapo::state::<Shared>();
    let root = source::directory(Path::new(&root_directory))?;
    shared.container.iter().try_for_each(|container| destination::check_apart(&root, container))?;
    let (files, left_out) = source::files(&root, &shared.database)?;
    shared.container.iter().try_for_each(|container| files.iter().try_for_each(|file| check_name(file, container)))?;
    if left_out > 0 {
        tracing::warn!("left out {left_out} links and special files below `{root_directory}`");
    }
    Ok(files)
}

/// Copies one file and returns its bytes, or nothing when it has been deleted. The blob appears when it is complete, so a copy that
/// a crash interrupted is made again as if it had never begun.
#[activity(name = "E2_CopyFileToBlob", retry = Retry::exponential(Duration::from_millis(500)).max_attempts(4))]
async fn copy_file_to_blob(file: File) -> dacapo::Result<Option<u64>> {
    let shared = dacapo::state::<Shared>();
    let (root, path, destination, blob) = match file {
        File::Path(path) => {
            let container = shared.container.clone();
            let container =
                container.ok_or_else(|| Error::msg("this backup was started over HTTP; run `serve` to continue it"))?;
            let (path, blob) = (PathBuf::from(&path), source::without_root(&path));
            (path.parent().map(Path::to_owned).unwrap_or_default(), path, container, blob)
        }
        File::Mirrored { source, destination, path } => {
            (source.clone().into(), Path::new(&source).join(&path), destination, path)
        }
    };
    check_name(&blob, &destination)?;
    let failed = format!("could not copy `{}`", path.display());
    let file = match tokio::fs::File::open(&path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && root.is_dir() => return Ok(None),
        Err(error) => return Err(because(failed)(error)),
    };
    let (store, container) = shared.destinations.open(&destination)?;
    let blob = Key::parse(format!("{container}/{blob}"))?;
    let staging = folder_of(&destination).map(|folder| Staging::new(&folder, &shared.database)).transpose()?;
    let staged = match &staging {
        Some(staging) => Key::parse(format!("{container}/{}", staging.name()))?.join("copy"),
        None => blob.clone(),
    };

    // At most three parts of 5 MiB, the least that S3 takes, are in memory for one file.
    let mut object = BufWriter::with_capacity(store.clone(), staged.clone(), 5 << 20).with_max_concurrency(2);
    let mut file = BufReader::with_capacity(256 << 10, file);
    let bytes = match tokio::io::copy_buf(&mut file, &mut object).await {
        Ok(bytes) => bytes,
        Err(error) => {
            let _ = object.abort().await;
            return Err(because(failed)(error));
        }
    };
    object.shutdown().await.map_err(because(&failed))?;
    if staging.is_some() {
        store.rename(&staged, &blob).await.map_err(because(&failed))?;
    }
    Ok(Some(bytes))
}

/// What all activities use.
struct Shared {
    /// The file of the history. It changes during the backup, and is not part of it.
    database: PathBuf,
    destinations: Destinations,
    /// The URL of the container for directories that are backed up over HTTP, while they are served.
    container: Option<String>,
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let Args { command, backup, store: serve::Store { url } } = begin::arguments();
    let database = source::database_of(&url)?;
    let shared = |container| Shared { database, destinations: Destinations::default(), container };
    match (command, backup) {
        (Some(Command::Serve { listen, destination }), _) => {
            let container = destination::url(&destination)?;
            let runtime = Runtime::builder(&url).state(shared(Some(container)));
            serve::serve(listen, runtime, Router::new()).await
        }
        (None, Some(args)) => run_once(args, &url, shared(None)).await,
        (None, None) => Err(Error::msg("give a source and a destination, or `serve`")),
    }
}

async fn run_once(args: Backup, url: &str, shared: Shared) -> dacapo::Result<()> {
    let begun = Instant::now();
    let ends = Ends::of(&args.source, &args.destination)?;
    let id = args.id.unwrap_or_else(|| ends.id());
    shared.destinations.open(&ends.destination)?;

    let runtime = Runtime::builder(url).state(shared).open().await?;
    resume::check(&runtime, &id, &ends).await?;
    let Ends { source, destination } = ends;
    let site = Site::Mirror { source, destination, parallel: args.parallel };
    let run = runtime.start(backup_site_content(site)).id(&id).reuse_id(ReuseId::UseExisting).await?;

    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template("{bar:30} {pos} of {len} files, {msg}")?);
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let outcome = loop {
        tokio::select! {
            outcome = run.result() => break outcome,
            _ = tick.tick() => show(&bar, &run.status().await?)?,
        }
    };
    bar.finish_and_clear();
    let progress: Progress = run.custom_status().await?.unwrap_or_default();
    runtime.shutdown().await?;
    let bytes = outcome.map_err(resume::failed(&id))?;
    if progress.gone > 0 {
        println!("{} files were deleted before they could be copied", progress.gone);
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("backed up {} files, {bytes} bytes in {seconds:.2} s", progress.files_done);
    Ok(())
}

/// Draws the progress. On a pipe the bar is hidden.
fn show(bar: &ProgressBar, status: &InstanceStatus) -> dacapo::Result<()> {
    if let Some(report) = status.report() {
        return Err(Error::msg(format!("backup `{}` is parked: {report}", status.instance_id())));
    }
    if let Some(progress) = status.custom_status() {
        let progress: Progress = progress.decode()?;
        bar.set_length(progress.files);
        bar.set_position(progress.files_done);
        bar.set_message(HumanBytes(progress.bytes_done).to_string());
    }
    Ok(())
}

/// From where to where: an absolute path and a URL. These members of its input identify a backup.
#[derive(PartialEq, Deserialize)]
struct Ends {
    source: String,
    destination: String,
}

impl Ends {
    /// Checks that both can be used and lie apart. A folder that is missing is created.
    fn of(source: &Path, destination: &str) -> dacapo::Result<Self> {
        let source = source::directory(source)?;
        let url = destination::url(destination)?;
        destination::check_apart(&source, &url)?;
        if let Some(folder) = folder_of(&url) {
            std::fs::create_dir_all(folder).map_err(because(format!("cannot back up into `{destination}`")))?;
        }
        Ok(Self { source: source::text(&source)?, destination: url })
    }

    /// The name of this backup.
    fn id(&self) -> String {
        let [source, destination] = [&self.source, self.destination.trim_start_matches("file://")].map(resume::part_of_id);
        resume::id(format!("{source} to {destination}"))
    }
}

/// Says what failed before it says why.
fn because<E: Display>(what: impl Display) -> impl FnOnce(E) -> Error {
    move |error| Error::msg(format!("{what}: {error}"))
}
