//! The store that the worker has open, or had.
//!
//! Invariant: the tool makes no store (`mode=rw`): a name that is wrong would be answered with nothing.

use std::ffi::OsString;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use dacapo::{Client, Error, Payloads};

pub(crate) async fn connect(store: Option<&str>) -> dacapo::Result<Client> {
    let Some(url) = store.filter(|url| !url.is_empty()) else {
        return Err(Error::msg("no store was named; say which with `--store sqlite:orders.db`, or set DACAPO_STORE to it"));
    };
    if url.starts_with("memory:") {
        return Err(Error::msg("a store in memory belongs to its process; there is nothing of it to see from here"));
    }
    let Some(sqlite) = url.strip_prefix("sqlite:") else { return Ok(client(url).await?) };
    // Of two settings of one name the last holds.
    let separator = if sqlite.contains('?') { '&' } else { '?' };
    Ok(client(&format!("{url}{separator}mode=rw")).await?)
}

/// Its worker may have been built without the feature that compresses.
async fn client(url: &str) -> Result<Client, dacapo::RuntimeError> {
    Ok(Client::connect(url).await?.payloads(Payloads::default().compress(false)))
}

/// What is put after the name of a database in those of the files beside it; nothing for the database.
const FILES: [&str; 7] = ["", "-wal", "-shm", "-journal", "-bell", "-worker", "-running"];

/// Refuses a file of the store as one to be written.
///
/// Invariant: no file is opened for it. With the first that is closed SQLite would lose the locks that this process has on the database
/// (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
pub(crate) fn check_target(store: Option<&str>, target: &Path) -> dacapo::Result<()> {
    let Some(rest) = store.and_then(|url| url.strip_prefix("sqlite:")) else { return Ok(()) };
    let path = rest.split_once('?').map_or(rest, |(path, _)| path);
    let path = path.strip_prefix("//").unwrap_or(path);
    // SQLite's files are beside what a link leads to, ours beside the link.
    let names = [PathBuf::from(path), resolved(Path::new(path))];
    let mut files = names.iter().flat_map(|name| FILES.map(|suffix| OsString::from_iter([name.as_os_str(), suffix.as_ref()])));
    if files.any(|file| is_same(Path::new(&file), target)) {
        let message =
            format!("`{}` is a file of the store, and writing it would destroy the store; name another", target.display());
        return Err(Error::msg(message));
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let is_linked = || Some(identity(&one.metadata().ok()?)? == identity(&other.metadata().ok()?)?);
    resolved(one) == resolved(other) || is_linked().unwrap_or(false)
}

/// What the names of one file have in common, where the system tells.
fn identity(file: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    return Some((std::os::unix::fs::MetadataExt::dev(file), std::os::unix::fs::MetadataExt::ino(file)));
    #[cfg(not(unix))]
    return None;
}

/// The path without links and `..`, of what may not be there.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        path = match (path.canonicalize(), path.read_link()) {
            (Ok(path), _) => return path,
            (Err(_), Ok(next)) => folder.join(next),
            (Err(_), Err(_)) => return folder.canonicalize().unwrap_or_default().join(path.file_name().unwrap_or_default()),
        };
    }
    path
}
