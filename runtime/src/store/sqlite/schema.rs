//! Opening a database: pragmas, migration by version, refusal of what is not ours.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::StoreResult;
use crate::store::sqlite::{Mode, Synchronous, failed, query};

/// `Daca`, so that `file orders.db` and other programs can tell whose database it is.
const APPLICATION_ID: i32 = 0x4461_6361;

/// How long a statement waits for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The steps from each version to the next.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("history.sql"), include_str!("inbox.sql")];

/// The version of this build.
const KNOWN: i64 = MIGRATIONS.len() as i64;

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
    // Nothing is written to a database that is as it should be, so that no lock of another program is waited for.
    if !is_current(&connection, path, mode)? {
        write_ahead(&connection).map_err(|error| failed("prepare", path, &error))?;
        migrate(&mut connection, path)?;
    }
    let synchronous = match synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    // The writer folds the log into the database before SQLite would do so within a commit.
    connection
        .execute_batch(&format!("PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 4000;"))
        .map_err(|error| failed("prepare", path, &error))?;
    Ok(connection)
}

/// Opens the database for reading, the log beside it included.
pub(super) fn open_reader(path: &Path) -> StoreResult<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let read = connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0));
    read.map(|_| connection).map_err(|error| failed("read", path, &error))
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

/// Whether a database is in the form this build works with. Refuses one that is not ours, and one that may not be brought into that form.
fn is_current(connection: &Connection, path: &Path, mode: Mode) -> StoreResult<bool> {
    let ours = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            let message = format!("`{}` is not an SQLite database; name another file", path.display());
            RuntimeError::new(ErrorKind::Incompatible, message)
        }
        _ => failed("read", path, &error),
    };
    // One snapshot, so that a database another process is creating is seen empty or whole.
    let snapshot = connection.unchecked_transaction().map_err(ours)?;
    let number = |pragma| snapshot.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(ours);
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(ours)?;
    if tables > 0 && application != i64::from(APPLICATION_ID) {
        let message = format!("`{}` is a database of another program; name another file", path.display());
        return Err(RuntimeError::new(ErrorKind::Incompatible, message));
    }
    if tables == 0 && mode == Mode::Existing {
        let message = format!("`{}` is an empty database, not a Dacapo store; pass the file the worker uses", path.display());
        return Err(RuntimeError::new(ErrorKind::Incompatible, message));
    }
    if version < KNOWN && mode == Mode::Existing {
        let message = format!(
            "`{}` was written by an older version of dacapo (schema {version}, this build knows {KNOWN}); open it once with the newer program",
            path.display()
        );
        return Err(RuntimeError::new(ErrorKind::Incompatible, message));
    }
    check_version(version, path)?;
    let journal: String = snapshot.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(ours)?;
    Ok(version == KNOWN && journal.eq_ignore_ascii_case("wal"))
}

fn check_version(version: i64, path: &Path) -> StoreResult<()> {
    if version <= KNOWN {
        return Ok(());
    }
    let message = format!(
        "`{}` was written by a newer version of dacapo (schema {version}, this build knows {KNOWN}); update the program that opens it",
        path.display()
    );
    Err(RuntimeError::new(ErrorKind::Incompatible, message))
}

fn migrate(connection: &mut Connection, path: &Path) -> StoreResult<()> {
    let error = |error: rusqlite::Error| failed("migrate", path, &error);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(error)?;
    // Another process may have been faster.
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(error)?;
    check_version(version, path)?;
    if version == KNOWN {
        return Ok(());
    }
    for step in &MIGRATIONS[usize::try_from(version).unwrap_or(0)..] {
        transaction.execute_batch(step).map_err(error)?;
    }
    transaction.pragma_update(None, "user_version", KNOWN).map_err(error)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(error)?;
    transaction.commit().map_err(error)
}
