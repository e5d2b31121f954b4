//! Which file a database is: one path, made canonical when it is opened, and the device and inode behind it.
//!
//! Invariant: everything beside the database is named after the canonical path, so that all who open it meet each other, by whatever
//! name they came. The database file itself is opened by SQLite alone: closing another descriptor of it would drop SQLite's locks.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::lock::{Held, Lock};
use crate::store::{ErrorClass, StoreResult};

/// The database and the files beside it.
pub(super) struct Files {
    database: PathBuf,
    identity: Option<Identity>,
    /// Whether this stands among the open ones.
    open: AtomicBool,
    /// Whether a thread tries to tell the worker of something.
    pub(super) rings: AtomicBool,
    /// Set once the database is no longer the file that was opened.
    lost: OnceLock<RuntimeError>,
}

/// A device and an inode.
type Identity = (u64, u64);

/// The databases this process has open, each with how often.
static OPEN: Lock<Option<HashMap<Identity, (PathBuf, usize)>>> = Lock::leaf(None);

impl Files {
    /// The canonical path of a database that need not exist.
    pub(super) fn canonical(path: &Path) -> io::Result<PathBuf> {
        match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let absolute = std::path::absolute(path)?;
        if let Ok(target) = absolute.read_link() {
            // A symbolic link that leads to nothing yet.
            return Self::canonical(&absolute.parent().unwrap_or(Path::new("/")).join(target));
        }
        let name = absolute.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(absolute.parent().unwrap_or(Path::new("/")).canonicalize()?.join(name))
    }

    /// Refuses a database that this process has open under another path, and one that has a second name.
    pub(super) fn check_names(database: &Path) -> StoreResult<()> {
        let Ok(metadata) = database.metadata() else { return Ok(()) };
        if let Some(identity) = identity(&metadata)
            && let Some((open, _)) = registered().as_ref().and_then(|open| open.get(&identity))
            && open != database
        {
            return Err(locked(format!(
                "`{}` is open in this process as `{}`; open it by that path, because SQLite names its log after the path and two logs \
                 destroy the database",
                database.display(),
                open.display()
            )));
        }
        match links(&metadata) {
            0 | 1 => Ok(()),
            links => Err(locked(format!(
                "`{}` is one of {links} hard links to one file; remove the others, because SQLite names its log after the path and two \
                 logs destroy the database",
                database.display()
            ))),
        }
    }

    /// A database that was just opened by its canonical path.
    pub(super) fn open(database: PathBuf) -> Self {
        let identity = database.metadata().ok().as_ref().and_then(identity);
        if let Some(identity) = identity {
            registered().get_or_insert_default().entry(identity).or_insert((database.clone(), 0)).1 += 1;
        }
        Self { database, identity, open: AtomicBool::new(true), rings: AtomicBool::new(false), lost: OnceLock::new() }
    }

    /// The database is closed.
    pub(super) fn close(&self) {
        if !self.open.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut registered = registered();
        if let (Some(identity), Some(open)) = (self.identity, &mut *registered)
            && let Some((_, times)) = open.get_mut(&identity)
        {
            *times -= 1;
            if *times == 0 {
                open.remove(&identity);
            }
        }
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// Fails when the database was found to be another file, or none; looks for itself.
    pub(super) fn check(&self) -> StoreResult<()> {
        self.check_found()?;
        let is_lost = match self.database.metadata() {
            Ok(metadata) => identity(&metadata) != self.identity,
            Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        };
        if is_lost {
            let message = format!(
                "the database `{}` was removed or replaced while it was open, and what was written since is lost; stop this process and \
                 start it again on the file that is to be used",
                self.database.display()
            );
            let _ = self.lost.set(RuntimeError::new(ErrorKind::Store, message).with_class(ErrorClass::Fatal));
        }
        self.check_found()
    }

    /// Fails when the database was found to be another file, or none.
    pub(super) fn check_found(&self) -> StoreResult<()> {
        self.lost.get().map_or(Ok(()), |lost| Err(lost.clone()))
    }

    /// Locked by the process that is the worker; its number is inside.
    pub(super) fn lock(&self) -> PathBuf {
        self.beside("-worker")
    }

    /// Written by the worker: what it runs.
    pub(super) fn journal(&self) -> PathBuf {
        self.beside("-running")
    }

    /// Written by clients of other processes, watched by the worker.
    pub(super) fn bell(&self) -> PathBuf {
        self.beside("-bell")
    }

    /// Written by every commit, watched by clients of other processes.
    pub(super) fn wal(&self) -> PathBuf {
        self.beside("-wal")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.database.clone().into_os_string();
        name.push(suffix);
        name.into()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.close();
    }
}

fn registered() -> Held<'static, Option<HashMap<Identity, (PathBuf, usize)>>> {
    OPEN.lock()
}

fn locked(message: String) -> RuntimeError {
    RuntimeError::new(ErrorKind::Locked, message)
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.nlink()
}

/// Elsewhere a file that is open can be neither removed nor replaced.
#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}
