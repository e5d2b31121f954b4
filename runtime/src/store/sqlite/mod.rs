//! The embedded store: one SQLite file in WAL mode.
//!
//! * `files` says which file a database is, `schema` opens and migrates it, `claim` keeps a second worker out; a batch becomes a `request`,
//!   `writer` is the group commit that has `apply` write it; `query` holds every statement, and `rows` reads what they give.
//! * `readers` are a fixed number of connections, used on tokio's pool for blocking work.
//! * `watch` tells of what other processes write, and of the end of the file itself.

mod apply;
mod census;
mod claim;
mod files;
mod page;
mod purge;
mod query;
mod readers;
mod request;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod url;
mod watch;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::lock::Lock;
use crate::store::trouble::classify;
use crate::store::{
    Batch, Census, End, Epoch, ErrorClass, Instance, InstanceKey, Lookup, Messages, ProcessKind, Query, Registered, Reply,
    Runnable, Status, Store, StoreResult, Stored, StoredMessage, Timestamp, Turn,
};
use files::Files;
use readers::{READERS, ReadError, Readers};
use request::Request;
use watch::Watching;
use writer::Writer;

/// How hard SQLite pushes a commit to the disk (`PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Every commit is on the disk before it is answered. A power cut loses nothing. The default.
    #[default]
    Full,
    /// Commits are on the disk after the next checkpoint. A crash of the process loses nothing; a power cut may lose the
    /// last commits, all of one moment on.
    Normal,
}

/// Settings that a program gives beside the URL.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SqliteSettings {
    pub(crate) synchronous: Option<Synchronous>,
    pub(crate) readers: Option<usize>,
}

/// How a database is opened.
struct Settings {
    synchronous: Synchronous,
    mode: Mode,
    readers: usize,
    /// The most bytes in a row, below SQLite's own limit.
    #[cfg(test)]
    row_limit: Option<i32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            mode: Mode::Create,
            readers: READERS,
            #[cfg(test)]
            row_limit: None,
        }
    }
}

/// What is done about a file that is no store yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It is made into one, and one of an older build is brought up to this one's version.
    Create,
    /// It is refused.
    Existing,
}

/// Keeps everything in one SQLite file. A person can read it with the `sqlite3` shell: `SELECT * FROM history`.
pub struct SqliteStore {
    files: Arc<Files>,
    writer: Arc<Writer>,
    readers: Readers,
    watching: Lock<Vec<Watching>>,
    claimed: Lock<Option<std::fs::File>>,
    /// Set when the index of ended instances is there.
    indexed: tokio::sync::OnceCell<()>,
}

impl SqliteStore {
    /// Opens or creates the database at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Incompatible`] when the file is not a database, or belongs to another program or a newer version;
    /// [`ErrorKind::Locked`] when the file has several hard links; [`ErrorKind::Store`] when it cannot be opened or written.
    ///
    /// # Cancel safety
    /// This function is cancel safe: when its future is dropped before it completes, the database may have been created, and is closed again.
    pub async fn open(path: impl AsRef<Path>, synchronous: Synchronous) -> StoreResult<Self> {
        let path = path.as_ref().to_owned();
        let settings = Settings { synchronous, ..Settings::default() };
        blocking(move || Self::open_blocking(&path, settings)).await
    }

    /// Opens the rest of a URL after `sqlite:`, a path with optional settings.
    pub(crate) async fn open_url(rest: &str, given: SqliteSettings) -> StoreResult<Self> {
        let (path, settings) = url::parse(rest, given)?;
        blocking(move || Self::open_blocking(&path, settings)).await
    }

    fn open_blocking(path: &Path, settings: Settings) -> StoreResult<Self> {
        let canonical = Files::canonical(path).map_err(|error| {
            let message =
                format!("could not open the database `{}`; check that its folder exists and may be written", path.display());
            RuntimeError::new(ErrorKind::Store, message).caused_by(&error)
        })?;
        Files::check_names(&canonical)?;
        let connection = schema::open(&canonical, settings.synchronous, settings.mode)?;
        #[cfg(test)]
        settings.row_limit.map(|limit| connection.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH, limit));
        let files = Arc::new(Files::open(canonical));
        let readers = Readers::open(files.clone(), settings.readers)?;
        let bell = files.clone();
        let writer = Writer::spawn(connection, files.clone(), move || claim::ring(&bell))?;
        Ok(Self {
            files,
            writer: Arc::new(writer),
            readers,
            watching: Lock::default(),
            claimed: Lock::default(),
            indexed: tokio::sync::OnceCell::new(),
        })
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl Fn(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> BoxFuture<'_, StoreResult<T>> {
        self.readers.read(query).boxed()
    }
}

impl Store for SqliteStore {
    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        async move {
            let lock = claim::lock(&self.files, wait).await?;
            *self.claimed.lock() = Some(lock);
            let path = self.files.database().to_owned();
            blocking(move || {
                let mut connection = schema::open(&path, Synchronous::Full, Mode::Existing)?;
                claim::take(&mut connection, &registered).map_err(|error| failed("claim", &path, &error))
            })
            .await
        }
        .boxed()
    }

    fn registered(&self) -> BoxFuture<'_, StoreResult<Vec<Registered>>> {
        self.read(claim::registered)
    }

    fn apply(&self, batch: Batch, reply: Reply) {
        self.writer.send(Request::new(batch, reply));
    }

    fn load(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Stored>>> {
        self.read(move |connection| {
            // One snapshot for the instance and its turns.
            let snapshot = connection.unchecked_transaction()?;
            let Some(instance) = find(&snapshot, &which)? else {
                return Ok(None);
            };
            let mut turns = snapshot.prepare_cached(query::TURNS)?;
            let mut rows = turns.query(params![rows::turn_key(instance.key, 0), rows::turn_key(instance.key, u32::MAX)])?;
            let (mut history, mut unreadable) = (Vec::new(), None);
            while let Some(row) = rows.next()? {
                let at = Timestamp(row.get(0)?);
                // The turns behind one that is unreadable are counted all the same.
                let turn = rows::turn(row).unwrap_or_else(|error| {
                    unreadable.get_or_insert_with(|| rows::unreadable_turn(&instance.id, history.len() + 1).caused_by(&error));
                    Turn { at, events: Vec::new() }
                });
                history.push(turn);
            }
            let mut beats = snapshot.prepare_cached(query::HEARTBEATS)?;
            let mut rows = beats.query([instance.key])?;
            let mut heartbeats = BTreeMap::new();
            while let Some(row) = rows.next()? {
                heartbeats.insert(row.get::<_, i64>(0)?.unsigned_abs(), rows::json(row.get(1)?));
            }
            Ok(Some(Stored { instance, history, heartbeats, unreadable }))
        })
    }

    fn find(&self, which: Lookup) -> BoxFuture<'_, StoreResult<Option<Instance>>> {
        self.read(move |connection| find(connection, &which))
    }

    fn turn(&self, instance: InstanceKey, end: End) -> BoxFuture<'_, StoreResult<Option<Turn>>> {
        self.read(move |connection| {
            let query = match end {
                End::First => query::FIRST_TURN,
                End::Last => query::LAST_TURN,
            };
            let mut turns = connection.prepare_cached(query)?;
            let mut rows = turns.query(params![rows::turn_key(instance, 0), rows::turn_key(instance, u32::MAX)])?;
            Ok(rows.next()?.map(rows::turn).transpose()?)
        })
    }

    fn query(&self, query: Query) -> BoxFuture<'_, StoreResult<Vec<Instance>>> {
        self.read(move |connection| page::read(connection, &query))
    }

    fn counts(&self) -> BoxFuture<'_, StoreResult<BTreeMap<Status, u64>>> {
        self.read(|connection| {
            let mut counts = BTreeMap::new();
            let mut statement = connection.prepare_cached(query::COUNTS)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                counts.insert(rows::status(&row.get::<_, String>(0)?)?, row.get::<_, i64>(1)?.unsigned_abs());
            }
            Ok(counts)
        })
    }

    fn ended(&self, status: Status, limit: usize) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, Timestamp)>>> {
        let path = self.files.database().to_owned();
        async move {
            // Only who asks for it pays for the index.
            let indexed = self.indexed.get_or_try_init(|| blocking(move || schema::index_ended(&path)));
            indexed.await?;
            let read = self.read(move |connection| {
                let mut statement = connection.prepare_cached(query::ENDED)?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows =
                    statement.query_map(params![status.as_str(), limit], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))?;
                Ok(rows.collect::<Result<_, _>>()?)
            });
            read.await
        }
        .boxed()
    }

    fn runnable(&self, which: Runnable) -> BoxFuture<'_, StoreResult<Vec<(InstanceKey, String)>>> {
        self.read(move |connection| {
            let (query, from, limit) = match which {
                Runnable::New { limit } => (query::NEW, None, limit),
                Runnable::Busy { after, limit } => (query::BUSY, Some(after), limit),
                Runnable::Due { now, limit } => (query::DUE, Some(now.0), limit),
            };
            let mut statement = connection.prepare_cached(query)?;
            let parameters = from.into_iter().chain([i64::try_from(limit).unwrap_or(i64::MAX)]);
            let found = statement.query_map(rusqlite::params_from_iter(parameters), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.read(census::census)
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.read(|connection| {
            Ok(connection.prepare_cached(query::NEXT_WAKE)?.query_row([], |row| row.get(0).map(Timestamp)).optional()?)
        })
    }

    fn waiting(&self) -> BoxFuture<'_, StoreResult<Vec<i64>>> {
        self.read(|connection| {
            let mut waiting = connection.prepare_cached(query::WAITING)?;
            let numbers = waiting.query_map([], |row| row.get(0))?;
            Ok(numbers.collect::<Result<_, _>>()?)
        })
    }

    fn messages(&self, which: Messages) -> BoxFuture<'_, StoreResult<Vec<StoredMessage>>> {
        self.read(move |connection| {
            let read = |sql, parameters: &[i64]| {
                let mut statement = connection.prepare_cached(sql)?;
                let found = statement.query_map(rusqlite::params_from_iter(parameters), rows::message)?;
                found.collect::<Result<Vec<_>, _>>()
            };
            Ok(match &which {
                Messages::All => read(query::MESSAGES, &[])?,
                Messages::Of(instance) => read(query::MESSAGES_OF, &[*instance])?,
                Messages::Numbered(numbers) => {
                    let each = numbers.iter().map(|number| read(query::MESSAGE, &[*number]));
                    each.collect::<Result<Vec<_>, _>>()?.concat()
                }
            })
        })
    }

    fn out_of_line(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(query::PAYLOAD)?;
            let mut found = BTreeMap::new();
            for key in keys.iter().copied() {
                if let Some(content) = statement.query_row([key], |row| row.get(0)).optional()? {
                    found.insert(key, content);
                }
            }
            Ok(found)
        })
    }

    fn listen(&self, kind: ProcessKind, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        let changed = claim::watch(&self.files, kind, listener.clone())?;
        let (files, writer) = (Arc::downgrade(&self.files), Arc::downgrade(&self.writer));
        let ended = move || {
            // Whoever listens reads, and is told why that is no longer possible.
            if let Some(lost) = files.upgrade().and_then(|files| files.check().err()) {
                writer.upgrade().into_iter().for_each(|writer| writer.give_up(&lost));
                listener();
            }
        };
        let ended = watch::watch(self.files.database(), Arc::new(ended)).map_err(|error| {
            let message = format!("could not watch the database `{}`", self.files.database().display());
            RuntimeError::new(ErrorKind::Store, message).caused_by(&error)
        })?;
        let before = std::mem::replace(&mut *self.watching.lock(), vec![changed, ended]);
        drop(before);
        Ok(())
    }

    fn journal(&self) -> Option<std::path::PathBuf> {
        Some(self.files.journal())
    }

    fn close(&self) -> BoxFuture<'_, StoreResult<()>> {
        async move {
            let watching = std::mem::take(&mut *self.watching.lock());
            drop(watching);
            let sound = self.files.check();
            // The writer goes last: only the last connection folds the log into the database, if it may write.
            self.readers.close().await;
            let writer = self.writer.clone();
            let closed = blocking(move || writer.close()).await;
            self.files.close();
            *self.claimed.lock() = None;
            sound.and(closed)
        }
        .boxed()
    }
}

fn find(connection: &Connection, which: &Lookup) -> Result<Option<Instance>, ReadError> {
    let read = |row: &Row<'_>| rows::instance(row);
    let found = match which {
        Lookup::Key(key) => connection.prepare_cached(query::FIND_BY_KEY)?.query_row([key], read).optional()?,
        Lookup::Id(id) => connection.prepare_cached(query::FIND_BY_ID)?.query_row([id], read).optional()?,
    };
    Ok(found.transpose()?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> StoreResult<T> + Send + 'static) -> StoreResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(RuntimeError::new(ErrorKind::Store, "the store panicked; please report this")
            .with_class(ErrorClass::Permanent)
            .caused_by(&error)),
        Err(error) => {
            Err(RuntimeError::new(ErrorKind::ShuttingDown, "the executor stopped before the store answered").caused_by(&error))
        }
    }
}

/// What the disk or SQLite said, with the way out where there is one.
fn failed(verb: &str, path: &Path, error: &rusqlite::Error) -> RuntimeError {
    let hint = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "; the disk is full: free some space, running orchestrations go on by themselves",
        Some(rusqlite::ErrorCode::ReadOnly) => "; the file may not be written: check its permissions",
        Some(rusqlite::ErrorCode::CannotOpen) => "; check that its folder exists and may be written",
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            "; the file is damaged or the disk failed to read it: check the disk, and restore a copy if `PRAGMA integrity_check` finds errors"
        }
        _ => "",
    };
    let (kind, class) = classify(error);
    RuntimeError::new(kind, format!("could not {verb} the database `{}`{hint}", path.display()))
        .with_class(class)
        .caused_by(error)
}
