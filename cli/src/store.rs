//! The store that the worker has open, or had.
//!
//! Invariant: the tool makes no store, and makes no other file into one: a name that is wrong would be answered with nothing.

use std::fs::File;
use std::io::Read as _;
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
    let path = sqlite.split_once('?').map_or(sqlite, |(path, _)| path);
    let path = Path::new(path.strip_prefix("//").unwrap_or(path));
    if is_blank(path) {
        let message =
            format!("`{}` is no store: no worker has made one in it; name the one that the worker has open", path.display());
        return Err(Error::msg(message));
    }
    // Of two settings of one name the last holds.
    let separator = if sqlite.contains('?') { '&' } else { '?' };
    Ok(client(&format!("{url}{separator}mode=rw")).await?)
}

/// Its worker may have been built without the feature that compresses.
async fn client(url: &str) -> Result<Client, dacapo::RuntimeError> {
    Ok(Client::connect(url).await?.payloads(Payloads::default().compress(false)))
}

/// Whether there is a file that opening would make into a store: an empty one, or a database that nobody has marked as theirs.
///
/// What a worker has written and not yet folded into the database is in the log beside it, and so may the mark be.
fn is_blank(path: &Path) -> bool {
    const APPLICATION_ID: std::ops::Range<usize> = 68..72;
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(100).read_to_end(&mut header));
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_log_empty = || PathBuf::from(log).metadata().map_or(true, |log| log.len() == 0);
    let is_unmarked = header.starts_with(b"SQLite format 3\0") && header.get(APPLICATION_ID) == Some(&[0; 4]);
    read.is_ok() && (header.is_empty() || is_unmarked) && is_log_empty()
}
