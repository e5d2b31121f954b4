//! The embedded store: one SQLite file in WAL mode.
//!
//! * `schema` opens and migrates, `claim` keeps a second worker out; a batch becomes a `request`, `writer` is the group commit that has
//!   `apply` write it; `query` holds every statement, and `rows` reads what they give.
//! * Reads use connections of their own, on tokio's pool for blocking work.

mod apply;
mod claim;
mod page;
mod purge;
mod query;
mod request;
mod rows;
mod schema;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::error::{ErrorKind, RuntimeError};
use crate::store::{
    Batch, Census, End, Epoch, Instance, InstanceKey, Lookup, Message, Query, Registered, Reply, Role, Runnable, Status, Store,
    StoreResult, Stored, Timestamp, Turn,
};
use request::Request;
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
    readers: Arc<Readers>,
    watcher: Mutex<Option<notify::RecommendedWatcher>>,
    claimed: Mutex<Option<std::fs::File>>,
    /// Set when the index of ended instances is there.
    indexed: tokio::sync::OnceCell<()>,
}

/// The database and the two files beside it.
struct Files {
    database: PathBuf,
}

impl Files {
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.database.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// Locked by the process that is the worker; its number is inside.
    fn lock(&self) -> PathBuf {
        self.beside("-worker")
    }

    /// Written by clients of other processes, watched by the worker.
    fn bell(&self) -> PathBuf {
        self.beside("-bell")
    }

    /// Written by every commit, watched by clients of other processes.
    fn wal(&self) -> PathBuf {
        self.beside("-wal")
    }
}

impl SqliteStore {
    /// Opens or creates the database at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Incompatible`] when the file is no database, another program's, or a newer version's;
    /// [`ErrorKind::Store`] when it cannot be opened or written.
    pub async fn open(path: impl AsRef<Path>, synchronous: Synchronous) -> StoreResult<Self> {
        let path = path.as_ref().to_owned();
        blocking(move || Self::open_blocking(path, synchronous, Mode::Create)).await
    }

    /// Opens the rest of a URL after `sqlite:`, a path with optional settings: `?synchronous=NORMAL`, `?mode=rw` for a store that must
    /// be there, and is left as it is.
    pub(crate) async fn open_url(rest: &str, synchronous: Option<Synchronous>) -> StoreResult<Self> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        let (mut asked, mut mode) = (Synchronous::Full, Mode::Create);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("synchronous", value)) if value.eq_ignore_ascii_case("full") => asked = Synchronous::Full,
                Some(("synchronous", value)) if value.eq_ignore_ascii_case("normal") => asked = Synchronous::Normal,
                Some(("mode", "rwc")) => mode = Mode::Create,
                Some(("mode", "rw")) => mode = Mode::Existing,
                _ => {
                    let message = format!(
                        "`{pair}` is not a setting of an SQLite store; it knows `synchronous=FULL` and `synchronous=NORMAL`, \
                         `mode=rwc`, and `mode=rw` for a database that must be there"
                    );
                    return Err(RuntimeError::new(ErrorKind::Invalid, message));
                }
            }
        }
        if path.is_empty() || path == ":memory:" {
            let message = "an SQLite store needs a file, as in `sqlite:orders.db`; for a store in memory write `memory:`";
            return Err(RuntimeError::new(ErrorKind::Invalid, message));
        }
        let (path, synchronous) = (PathBuf::from(path), synchronous.unwrap_or(asked));
        blocking(move || Self::open_blocking(path, synchronous, mode)).await
    }

    fn open_blocking(path: PathBuf, synchronous: Synchronous, mode: Mode) -> StoreResult<Self> {
        let connection = schema::open(&path, synchronous, mode)?;
        let files = Arc::new(Files { database: path.clone() });
        let bell = files.clone();
        let writer = Writer::spawn(connection, path.clone(), move || claim::ring(&bell))?;
        let readers = Readers { path, idle: Mutex::default(), reading: RwLock::default() };
        Ok(Self {
            files,
            writer: Arc::new(writer),
            readers: Arc::new(readers),
            watcher: Mutex::new(None),
            claimed: Mutex::new(None),
            indexed: tokio::sync::OnceCell::new(),
        })
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> BoxFuture<'_, StoreResult<T>> {
        let readers = self.readers.clone();
        blocking(move || readers.with(query)).boxed()
    }
}

/// Connections for reading, as many as were ever needed at once.
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// Held by who reads, and alone by who closes.
    reading: RwLock<()>,
}

impl Readers {
    fn with<T>(&self, query: impl FnOnce(&Connection) -> Result<T, ReadError>) -> StoreResult<T> {
        let _reading = self.reading.read().unwrap_or_else(PoisonError::into_inner);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let result = query(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result.map_err(|error| match error {
            ReadError::Sqlite(error) => failed("read", &self.path, &error),
            ReadError::Content(error) => error,
        })
    }
}

enum ReadError {
    Sqlite(rusqlite::Error),
    Content(RuntimeError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<RuntimeError> for ReadError {
    fn from(error: RuntimeError) -> Self {
        Self::Content(error)
    }
}

impl Store for SqliteStore {
    fn claim(&self, wait: bool, registered: Vec<Registered>) -> BoxFuture<'_, StoreResult<Epoch>> {
        async move {
            let lock = claim::lock(&self.files, wait).await?;
            *self.claimed.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
            let path = self.files.database.clone();
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
            let mut history = Vec::new();
            while let Some(row) = rows.next()? {
                history.push(rows::turn(row)?);
            }
            let mut beats = snapshot.prepare_cached(query::HEARTBEATS)?;
            let mut rows = beats.query([instance.key])?;
            let mut heartbeats = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let details: String = row.get(1)?;
                let details = serde_json::from_str(&details).map_err(|error| {
                    RuntimeError::new(ErrorKind::Store, "a heartbeat in the database is no JSON").caused_by(&error)
                })?;
                heartbeats.insert(row.get::<_, i64>(0)?.unsigned_abs(), details);
            }
            Ok(Some(Stored { instance, history, heartbeats }))
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
            rows.next()?.map(rows::turn).transpose()
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
        let path = self.files.database.clone();
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
                Runnable::Busy { after, limit } => (query::BUSY, after, limit),
                Runnable::Due { now, limit } => (query::DUE, now.0, limit),
            };
            let mut statement = connection.prepare_cached(query)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let found = statement.query_map([from, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    fn census(&self) -> BoxFuture<'_, StoreResult<Vec<Census>>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(query::CENSUS)?;
            let mut rows = statement.query([])?;
            let mut census = Vec::new();
            while let Some(row) = rows.next()? {
                let shape = row.get_ref(2)?.as_str().ok().and_then(|shape| shape.parse().ok()).unwrap_or(0);
                let count: i64 = row.get(3)?;
                census.push(Census::new(row.get(0)?, row.get(1)?, shape, count.unsigned_abs()));
            }
            census.sort_unstable();
            Ok(census)
        })
    }

    fn next_wake(&self) -> BoxFuture<'_, StoreResult<Option<Timestamp>>> {
        self.read(|connection| {
            Ok(connection.prepare_cached(query::NEXT_WAKE)?.query_row([], |row| row.get(0).map(Timestamp)).optional()?)
        })
    }

    fn messages(&self, instance: Option<InstanceKey>, after: i64) -> BoxFuture<'_, StoreResult<Vec<Message>>> {
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached(if instance.is_some() { query::MESSAGES_OF } else { query::MESSAGES })?;
            let mut rows = match instance {
                Some(instance) => statement.query(params![after, instance])?,
                None => statement.query([after])?,
            };
            let mut messages = Vec::new();
            while let Some(row) = rows.next()? {
                let text: String = row.get(2)?;
                let event = serde_json::from_str(&text).map_err(|error| {
                    RuntimeError::new(ErrorKind::Store, "a message in the database is no event this build knows")
                        .caused_by(&error)
                })?;
                messages.push(Message { number: row.get(0)?, instance: row.get(1)?, id: row.get(3)?, event });
            }
            Ok(messages)
        })
    }

    fn beside(&self, keys: Vec<i64>) -> BoxFuture<'_, StoreResult<BTreeMap<i64, Vec<u8>>>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(query::PAYLOAD)?;
            let mut found = BTreeMap::new();
            for key in keys {
                if let Some(content) = statement.query_row([key], |row| row.get(0)).optional()? {
                    found.insert(key, content);
                }
            }
            Ok(found)
        })
    }

    fn listen(&self, role: Role, listener: Arc<dyn Fn() + Send + Sync>) -> StoreResult<()> {
        let watcher = claim::watch(&self.files, role, listener)?;
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher);
        Ok(())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let (writer, readers) = (self.writer.clone(), self.readers.clone());
            let close = move || {
                // The writer goes last: only the last connection folds the log into the database, if it may write.
                let _nobody_reads = readers.reading.write().unwrap_or_else(PoisonError::into_inner);
                readers.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                writer.close();
                Ok(())
            };
            let _ = blocking(close).await;
            *self.claimed.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => "; the file is damaged: restore a copy",
        _ => "",
    };
    RuntimeError::new(ErrorKind::Store, format!("could not {verb} the database `{}`{hint}", path.display())).caused_by(error)
}
