//! Cloud backup: every file of a directory is copied into an object store, many at once, and the run survives `kill -9`.
//!
//! `cargo run --release --example backup -- SOURCE DESTINATION`
//!
//! DESTINATION is a folder or a URL. Those of clouds need a feature of `object_store`, and its usual environment variables:
//! `cargo run --release --example backup --features object_store/aws -- ~/photos s3://bucket/photos` (or `/gcp`, `/azure`).
//!
//! Run the same command again after a crash: the backup goes on, and files whose copy is recorded are not copied again. This
//! is Durable Functions' `E2_BackupSiteContent`, and is served as that, too:
//!
//! ```sh
//! cargo run --release --example backup -- serve       # copies into `backups`, or --destination
//! curl -i localhost:7071/orchestrators/E2_BackupSiteContent --json '"/home/ada/photos"'
//! ```

mod begin;
mod resume;
mod serve;

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Error, InstanceStatus, Retry, ReuseId, Runtime, activity, orchestrator};
use futures::stream::{self, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use object_store::{
    ObjectStore, ObjectStoreExt as _, ObjectStoreScheme, buffered::BufWriter, local::LocalFileSystem, path::Path as Key,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWriteExt as _, BufReader};
use url::Url;

/// Copies a directory into an object store. Run again after a crash it goes on where it stopped.
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
    /// Serves Durable Functions' HTTP API until Ctrl-C: `E2_BackupSiteContent` takes a directory and gives the number of bytes
    Serve {
        #[command(flatten)]
        listen: serve::Listen,
        /// Where all copies go, each directory below its own path: a folder, or a URL
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
    /// The name of this backup; without it one is made of source and destination, so that the same command goes on with the
    /// same backup
    #[arg(long)]
    id: Option<String>,
    /// How many files to copy at once; a backup that goes on keeps the number it was started with
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
}

/// What there is to copy.
#[derive(Serialize, Deserialize)]
struct Listing {
    /// Paths below the source, sorted, and their sizes in bytes.
    files: Vec<(String, u64)>,
    /// Links, sockets and devices, for which an object store has no place.
    left_out: u64,
}

/// How far the backup is.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    files_done: u64,
    files: u64,
    bytes_done: u64,
    bytes: u64,
    left_out: u64,
    /// Files that were deleted between listing and copy.
    gone: u64,
}

/// The command line says from where to where.
#[orchestrator]
async fn backup(source: String, destination: String, parallel: u16) -> dacapo::Result<u64> {
    copy_all(source, destination, parallel).await
}

/// Over HTTP a directory comes in, and the bytes of its copies go out. Where they are is a setting of the server.
#[orchestrator]
async fn backup_site_content(directory: String) -> dacapo::Result<u64> {
    let Ends { source, destination } = served_ends(directory).await?;
    copy_all(source, destination, 16).await
}

/// The same by the original's name.
#[orchestrator(name = "E2_BackupSiteContent")]
async fn e2_backup_site_content(directory: String) -> dacapo::Result<u64> {
    let Ends { source, destination } = served_ends(directory).await?;
    copy_all(source, destination, 16).await
}

/// Copies all files of `source`, `parallel` at once, and returns how many bytes that were.
#[orchestrator(inline)]
async fn copy_all(source: String, destination: String, parallel: u16) -> dacapo::Result<u64> {
    let listing = list(source.clone(), destination.clone()).await?;
    let staging = format!(".backup-{}", dacapo::new_uuid());
    let copied = copy_listed(listing, &source, &destination, &staging, parallel).await;
    clear(destination, staging).await?;
    copied
}

#[orchestrator(inline)]
async fn copy_listed(listing: Listing, source: &str, destination: &str, staging: &str, parallel: u16) -> dacapo::Result<u64> {
    let mut progress = Progress {
        files: listing.files.len() as u64,
        bytes: listing.files.iter().map(|(_, size)| size).sum(),
        left_out: listing.left_out,
        ..Progress::default()
    };
    dacapo::set_custom_status(&progress);

    let copies = listing.files.into_iter().map(|(path, _)| copy(source.into(), destination.into(), staging.into(), path));
    let mut copies = stream::iter(copies).buffer_unordered(usize::from(parallel));
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

/// From where to where a served backup goes.
#[activity(retry = Retry::none())]
fn served_ends(directory: String) -> dacapo::Result<Ends> {
    let shared = dacapo::state::<Shared>();
    let served = shared.served.as_deref().ok_or_else(|| Error::msg("it was asked for over HTTP, and `serve` does not run"))?;
    let unreadable = because(format!("could not read the source `{directory}`"));
    let source = Path::new(&directory).canonicalize().map_err(unreadable)?;
    let path = source.to_string_lossy();
    let below = path.trim_start_matches('/');
    if !served.contains("://") {
        return Ends::of(&source, &format!("{served}/{below}"));
    }
    let mut url = Url::parse(served)?;
    let no_folder = |()| Error::msg(format!("`{served}` has no folders"));
    url.path_segments_mut().map_err(no_folder)?.pop_if_empty().extend(below.split('/'));
    Ends::of(&source, url.as_str())
}

/// Lists the regular files below `source`; an object store knows no empty directories. Links are not followed, so there are no
/// loops.
#[activity]
fn list(source: String, destination: String) -> dacapo::Result<Listing> {
    let (source, database) = (PathBuf::from(source), &dacapo::state::<Shared>().database);
    let mut listing = Listing { files: Vec::new(), left_out: 0 };
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error: io::Error| because(format!("could not read the directory `{}`", folder.display()))(error);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, metadata) = (entry.path(), entry.metadata().map_err(unreadable)?);
            if metadata.is_dir() {
                folders.push(path);
            } else if !metadata.is_file() {
                listing.left_out += 1;
            } else if !is_part_of(database, &path) {
                let shown = path.display();
                let key = path.strip_prefix(&source)?.to_str().map(|key| key.replace(std::path::MAIN_SEPARATOR, "/"));
                let key = key.ok_or_else(|| Error::msg(format!("`{shown}` cannot be backed up: its name is not UTF-8")))?;
                Key::parse(&key).map_err(because(format!("`{shown}` cannot be backed up")))?;
                if has_number(&key) && folder_of(&destination).is_some() {
                    let wrong = "its name ends with `#` and a number";
                    return Err(Error::msg(format!("`{shown}` cannot be backed up into a folder: {wrong}")));
                }
                listing.files.push((key, metadata.len()));
            }
        }
    }
    listing.files.sort();
    Ok(listing)
}

/// Copies one file and returns its bytes, or nothing when it has been deleted. The object appears when it is complete; so a
/// copy that a crash interrupted is made again as if it had never begun. In a folder it is made below `staging`, a name that only
/// this backup has.
#[activity(retry = Retry::exponential(Duration::from_millis(500)).max_attempts(4))]
async fn copy(source: String, destination: String, staging: String, path: String) -> dacapo::Result<Option<u64>> {
    let failed = format!("could not copy `{path}`");
    let file = match tokio::fs::File::open(Path::new(&source).join(&path)).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new(&source).is_dir() => return Ok(None),
        Err(error) => return Err(because(failed)(error)),
    };
    let (store, root) = dacapo::state::<Shared>().store(&destination)?;
    let key = Key::parse(format!("{root}/{path}"))?;
    let staged = match folder_of(&destination) {
        Some(_) => Key::parse(format!("{root}/{staging}/{path}"))?,
        None => key.clone(),
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
    if staged != key {
        store.rename(&staged, &key).await.map_err(because(&failed))?;
    }
    Ok(Some(bytes))
}

/// Removes the folder in which the copies were made, and in it what a crash interrupted.
#[activity]
fn clear(destination: String, staging: String) -> dacapo::Result<()> {
    let Some(folder) = folder_of(&destination) else { return Ok(()) };
    match fs::remove_dir_all(folder.join(staging)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The folder of this machine that a destination is, if it is one.
fn folder_of(destination: &str) -> Option<PathBuf> {
    Url::parse(destination).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

/// Whether a name is one that `LocalFileSystem` keeps for itself, as `name#1`.
fn has_number(key: &str) -> bool {
    let name = key.rsplit('/').next().and_then(|name| name.split_once('#'));
    name.is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An object store, and where in it the files go.
type Target = (Arc<dyn ObjectStore>, Key);

/// What all activities use.
struct Shared {
    /// The file of the history. It changes during the backup, and is no part of it.
    database: PathBuf,
    /// The destinations in use, by URL. One database may hold several unfinished backups.
    stores: Mutex<HashMap<String, Target>>,
    /// Where the copies go of directories that are asked for over HTTP, while they are served.
    served: Option<String>,
}

impl Shared {
    /// The object store of a destination, opened once.
    fn store(&self, destination: &str) -> dacapo::Result<Target> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = stores.get(destination) {
            return Ok(found.clone());
        }
        let url = Url::parse(destination)?;
        let opened = match ObjectStoreScheme::parse(&url)? {
            // What is recorded as copied is on the disk.
            (ObjectStoreScheme::Local, root) => (Arc::new(LocalFileSystem::new().with_fsync(true)) as Arc<dyn ObjectStore>, root),
            _ => {
                let (store, root) = object_store::parse_url_opts(&url, std::env::vars())
                    .map_err(because(format!("cannot back up into `{destination}`")))?;
                (Arc::from(store), root)
            }
        };
        stores.insert(destination.to_owned(), opened.clone());
        Ok(opened)
    }
}

/// Whether `path` is the database or one of the files that SQLite and the runtime have beside it.
fn is_part_of(database: &Path, path: &Path) -> bool {
    let rest = path.to_str().zip(database.to_str()).and_then(|(path, database)| path.strip_prefix(database));
    rest.is_some_and(|rest| ["", "-wal", "-shm", "-journal", "-bell", "-worker"].contains(&rest))
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let Args { command, backup, store: serve::Store { url } } = begin::arguments();
    let shared = |served| Ok::<_, Error>(Shared { database: database_of(&url)?, stores: Mutex::default(), served });
    match (command, backup) {
        (Some(Command::Serve { listen, destination }), _) => {
            let runtime = Runtime::builder(&url).state(shared(Some(destination))?);
            serve::serve(listen, runtime, Router::new()).await
        }
        (None, Some(args)) => back_up(args, &url, shared(None)?).await,
        (None, None) => Err(Error::msg("give a source and a destination, or `serve`")),
    }
}

async fn back_up(args: Backup, url: &str, shared: Shared) -> dacapo::Result<()> {
    let begun = Instant::now();
    let ends = Ends::of(&args.source, &args.destination)?;
    let id = args.id.unwrap_or_else(|| ends.id());
    shared.store(&ends.destination)?;

    let runtime = Runtime::builder(url).state(shared).open().await?;
    let call = backup(ends.source.clone(), ends.destination.clone(), args.parallel);
    resume::check(&runtime, &id, &ends).await?;
    let run = runtime.start(call).id(&id).reuse_id(ReuseId::UseExisting).await?;

    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {msg}")?);
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
    if progress.left_out > 0 {
        println!("left out {} links and special files", progress.left_out);
    }
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
        bar.set_length(progress.bytes);
        bar.set_position(progress.bytes_done);
        bar.set_message(format!("{} of {} files", progress.files_done, progress.files));
    }
    Ok(())
}

/// From where to where: an absolute path and a URL. By these, the first arguments of the orchestrator, a backup is known.
#[derive(PartialEq, Serialize, Deserialize)]
struct Ends {
    source: String,
    destination: String,
}

impl Ends {
    /// Checks that both are there and lie apart. A folder that is missing is made.
    fn of(source: &Path, destination: &str) -> dacapo::Result<Self> {
        let unreadable = format!("could not read the source `{}`", source.display());
        let source = source.canonicalize().map_err(because(&unreadable))?;
        let text = source.to_str().ok_or_else(|| Error::msg(format!("{unreadable}: its name is not UTF-8")))?;
        if !source.is_dir() {
            return Err(Error::msg(format!("{unreadable}: it is not a directory")));
        }
        let invalid = format!("cannot back up into `{destination}`");
        let folder = if destination.contains("://") {
            let url = Url::parse(destination).map_err(because(&invalid))?;
            match url.scheme() {
                "file" => url.to_file_path().map_err(|()| Error::msg(format!("{invalid}: it is no path of this machine")))?,
                _ => return Ok(Self { source: text.to_owned(), destination: destination.trim_end_matches('/').to_owned() }),
            }
        } else {
            PathBuf::from(destination)
        };
        let folder = resolve(&folder).map_err(because(&invalid))?;
        if folder.starts_with(&source) || source.starts_with(&folder) {
            return Err(Error::msg(format!("{invalid}: source and destination must lie apart, neither inside the other")));
        }
        fs::create_dir_all(&folder).map_err(because(&invalid))?;
        let url = Url::from_file_path(folder).map_err(|()| Error::msg(invalid))?;
        Ok(Self { source: text.to_owned(), destination: url.into() })
    }

    /// The name of this backup.
    fn id(&self) -> String {
        let [source, destination] = [&self.source, self.destination.trim_start_matches("file://")].map(resume::part_of_id);
        resume::id(format!("{source} to {destination}"))
    }
}

/// The file of an SQLite store.
fn database_of(store: &str) -> dacapo::Result<PathBuf> {
    match store.strip_prefix("sqlite:").and_then(|rest| rest.split('?').next()) {
        Some(path) => {
            resolve(Path::new(path.strip_prefix("//").unwrap_or(path))).map_err(because(format!("cannot use `{store}`")))
        }
        None => Ok(PathBuf::new()),
    }
}

/// The absolute path without links, also of what does not exist yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => Ok(resolve(parent)?.join(name)),
        (found, ..) => found,
    }
}

/// Says what could not be done before it says why.
fn because<E: Display>(what: impl Display) -> impl FnOnce(E) -> Error {
    move |error| Error::msg(format!("{what}: {error}"))
}
