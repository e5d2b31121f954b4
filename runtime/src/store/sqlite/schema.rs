//! Opening a database: pragmas, migration by version, refusal of what is not ours.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::error::{ErrorKind, RuntimeError};
use crate::store::StoreResult;
use crate::store::sqlite::{Mode, Synchronous, failed, query};

/// `Daca`, so that `file orders.db` and other programs can tell whose database it is.
const APPLICATION_ID: i32 = 0x4461_6361;

/// How long a statement waits for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The steps from each version to the next; the number of steps is the version of this build.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// Opens the database for writing, and creates or migrates it where that is wanted.
pub(super) fn open(path: &Path, synchronous: Synchronous, mode: Mode) -> StoreResult<Connection> {
    let create = match mode {
        Mode::Create => OpenFlags::SQLITE_OPEN_CREATE,
        Mode::Existing if path.exists() => OpenFlags::empty(),
        Mode::Existing => {
            let message = format!("there is no database `{}`; name the one that the worker has open", path.display());
            return Err(RuntimeError::new(ErrorKind::NotFound, message));
        }
    };
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | create)?;
    check(&connection, path, mode)?;
    let synchronous = match synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    // The writer folds the log into the database before SQLite would do so within a commit.
    write_ahead(&connection)
        .and_then(|()| {
            connection.execute_batch(&format!("PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 4000;"))
        })
        .map_err(|error| failed("prepare", path, &error))?;
    migrate(&mut connection, path, mode)?;
    Ok(connection)
}

/// Opens the database for reading.
pub(super) fn open_reader(path: &Path) -> StoreResult<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Adds the index by which retention finds what ended longest ago, if it is not there.
pub(super) fn index_ended(path: &Path) -> StoreResult<()> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch(query::INDEX_ENDED).map_err(|error| failed("prepare", path, &error))
}

fn connect(path: &Path, flags: OpenFlags) -> StoreResult<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| failed("open", path, &error))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| failed("open", path, &error))?;
    Ok(connection)
}

/// Turns a new database to WAL. Two connections that do so at once would wait for each other, so SQLite answers one of them busy without
/// its timeout.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && begun.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            done => return done,
        }
    }
}

fn check(connection: &Connection, path: &Path, mode: Mode) -> StoreResult<()> {
    let ours = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            let message = format!("`{}` is not an SQLite database; name another file", path.display());
            RuntimeError::new(ErrorKind::Incompatible, message)
        }
        _ => failed("read", path, &error),
    };
    // One snapshot, so that a database another process is creating is seen empty or whole.
    let snapshot = connection.unchecked_transaction().map_err(ours)?;
    let application: i32 = snapshot.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(ours)?;
    let tables: i64 = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(ours)?;
    if tables > 0 && application != APPLICATION_ID {
        let message = format!("`{}` is a database of another program; name another file", path.display());
        return Err(RuntimeError::new(ErrorKind::Incompatible, message));
    }
    if tables == 0 && mode == Mode::Existing {
        let message =
            format!("`{}` is no store: no worker has made one in it; name the one that the worker has open", path.display());
        return Err(RuntimeError::new(ErrorKind::Incompatible, message));
    }
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path, mode: Mode) -> StoreResult<()> {
    let error = |error: rusqlite::Error| failed("migrate", path, &error);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(error)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(error)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        let message = format!(
            "`{}` was written by a newer version of dacapo (schema {version}, this build knows {known}); update the program that opens it",
            path.display()
        );
        return Err(RuntimeError::new(ErrorKind::Incompatible, message));
    }
    if version == known {
        return Ok(());
    }
    if mode == Mode::Existing {
        let message = format!(
            "`{}` was written by an older version of dacapo (schema {version}, this build knows {known}); open it once with the newer program",
            path.display()
        );
        return Err(RuntimeError::new(ErrorKind::Incompatible, message));
    }
    for step in &MIGRATIONS[usize::try_from(version).unwrap_or(0)..] {
        transaction.execute_batch(step).map_err(error)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(error)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(error)?;
    transaction.commit().map_err(error)
}
