//! One worker per database, and how processes tell each other of changes.
//!
//! The worker holds an operating-system lock on a file beside the database; the system lets it go when the process ends,
//! however it ends. Changes are told by file notifications, so that nobody polls.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::sqlite::files::Files;
use crate::store::sqlite::query;
use crate::store::sqlite::readers::ReadError;
use crate::store::sqlite::watch::{self, Listener, Watching};
use crate::store::trouble::Backoff;
use crate::store::{Epoch, ProcessKind, Registered, RegisteredKind, StoreResult};

/// Takes the worker's lock; waits for it when `wait` is true.
pub(super) async fn lock(files: &Files, wait: bool) -> StoreResult<File> {
    let path = files.lock();
    let error = |error: &std::io::Error| {
        RuntimeError::new(ErrorKind::Store, format!("could not lock `{}`", path.display())).caused_by(error)
    };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(|e| error(&e))?;
    let mut tries = 0;
    let locked = loop {
        match file.try_lock() {
            // A process that was killed lets go a moment later, when the system has taken it apart.
            Err(TryLockError::WouldBlock) if !wait && tries < 50 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            locked => break locked,
        }
    };
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) if wait => file = wait_for(file).await?,
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder =
                if holder.trim().is_empty() { "another process".to_owned() } else { format!("process {}", holder.trim()) };
            let message = format!(
                "{holder} works on the database `{}` already; stop it, connect with `Client::connect` instead, \
                 or build the runtime with `.standby(true)` to take over when it ends",
                files.database().display()
            );
            return Err(RuntimeError::new(ErrorKind::Locked, message));
        }
        Err(TryLockError::Error(e)) => return Err(error(&e)),
    }
    let signed = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    signed.map_err(|e| error(&e))?;
    Ok(file)
}

/// Begins the next epoch, with what its worker can run.
pub(super) fn take(connection: &mut Connection, registered: &[Registered]) -> rusqlite::Result<Epoch> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let epoch = transaction.query_row(query::NEXT_EPOCH, [], |row| row.get(0).map(Epoch))?;
    transaction.execute(query::UNREGISTER, [])?;
    let mut register = transaction.prepare(query::REGISTER)?;
    for Registered { kind, name, version, shape } in registered {
        register.execute(params![text_of(*kind), name, version, shape.cast_signed()])?;
    }
    drop(register);
    transaction.commit().map(|()| epoch)
}

/// What the worker that claimed the database last can run.
pub(super) fn registered(connection: &Connection) -> Result<Vec<Registered>, ReadError> {
    let mut statement = connection.prepare_cached(query::REGISTERED)?;
    let mut rows = statement.query([])?;
    let mut registered = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        // A kind of a later build is nothing that this one could address.
        let kind = [RegisteredKind::Orchestrator, RegisteredKind::Entity].into_iter().find(|kind| text_of(*kind) == text);
        if let Some(kind) = kind {
            let (name, shape): (String, i64) = (row.get(1)?, row.get(3)?);
            registered.push(Registered::new(kind, name, row.get(2)?, shape.cast_unsigned()));
        }
    }
    registered.sort_unstable();
    Ok(registered)
}

fn text_of(kind: RegisteredKind) -> &'static str {
    match kind {
        RegisteredKind::Orchestrator => "orchestrator",
        RegisteredKind::Entity => "entity",
    }
}

/// Waits on a thread of its own: a standby may wait for months, and must not hold up the end of the executor.
async fn wait_for(file: File) -> StoreResult<File> {
    let (taken, answer) = tokio::sync::oneshot::channel();
    let wait = move || {
        let locked = file.lock().map(|()| file);
        let _ = taken.send(locked);
    };
    let failed = |error: &dyn std::error::Error| {
        RuntimeError::new(ErrorKind::Store, "could not wait for the worker's lock").caused_by(error)
    };
    std::thread::Builder::new().name("dacapo-standby".into()).spawn(wait).map_err(|error| failed(&error))?;
    match answer.await {
        Ok(locked) => locked.map_err(|error| failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

/// Tells the worker, if another process is it, that something waits for it. Without a worker there is nobody to tell: the next one looks
/// for itself. Where it fails, as on a full disk, a thread tries again, so that nothing written lies unheard.
pub(super) fn ring(files: &Arc<Files>) {
    if rung(files) || files.rings.swap(true, Ordering::AcqRel) {
        return;
    }
    let again = files.clone();
    let ring = move || {
        let mut backoff = Backoff::default();
        loop {
            std::thread::sleep(backoff.pause());
            // Before the try: whoever fails after it starts a thread of its own.
            again.rings.store(false, Ordering::Release);
            if rung(&again) || again.check().is_err() || again.rings.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    };
    if std::thread::Builder::new().name("dacapo-bell".into()).spawn(ring).is_err() {
        files.rings.store(false, Ordering::Release);
    }
}

fn rung(files: &Files) -> bool {
    match OpenOptions::new().write(true).truncate(true).open(files.bell()) {
        Ok(mut bell) => bell.write_all(b"1").is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Calls `listener` when the file that concerns `kind` is written.
pub(super) fn watch(files: &Files, kind: ProcessKind, listener: Listener) -> StoreResult<Watching> {
    let path = match kind {
        ProcessKind::Worker => files.bell(),
        ProcessKind::Client => files.wal(),
    };
    let failed = |error: &dyn std::error::Error| {
        RuntimeError::new(ErrorKind::Store, format!("could not watch `{}` for other processes", path.display())).caused_by(error)
    };
    OpenOptions::new().create(true).append(true).open(&path).map_err(|error| failed(&error))?;
    watch::watch(&path, listener).map_err(|error| failed(&error))
}
