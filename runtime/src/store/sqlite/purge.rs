//! Deleting finished instances, inside the writer's transaction.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::sqlite::query;
use crate::store::sqlite::rows::turn_key;
use crate::store::{Batch, InstanceKey, StoreResult, already_exists, unfinished};

/// Whether the purge of a batch is allowed. Nothing has been written yet.
pub(super) fn check(connection: &Connection, batch: &Batch) -> rusqlite::Result<StoreResult<()>> {
    for key in &batch.purge {
        let mut living = connection.prepare_cached(query::LIVING)?;
        if let Some(id) = living.query_row([key], |row| row.get::<_, String>(0)).optional()? {
            return Ok(Err(unfinished(&id)));
        }
    }
    if let Some(new) = &batch.create
        && !batch.purge.is_empty()
    {
        let mut taken = connection.prepare_cached(query::KEY_OF)?;
        let taken: Option<InstanceKey> = taken.query_row([&new.id], |row| row.get(0)).optional()?;
        if taken.is_some_and(|key| !batch.purge.contains(&key)) {
            return Ok(Err(already_exists(&new.id)));
        }
    }
    Ok(Ok(()))
}

/// Deletes an instance and all it has left, if it is there, and counts it. Those it has called stay, as if a client had started them.
pub(super) fn purge(connection: &Connection, key: InstanceKey, has_payloads: bool) -> rusqlite::Result<usize> {
    connection.prepare_cached(query::ORPHAN)?.execute([key])?;
    connection.prepare_cached(query::PURGE_TURNS)?.execute(params![turn_key(key, 0), turn_key(key, u32::MAX)])?;
    if has_payloads {
        connection.prepare_cached(query::PURGE_PAYLOADS)?.execute([key])?;
    }
    for rest in [query::PURGE_INBOX, query::PURGE_TAGS, query::PURGE_HEARTBEATS, query::PURGED] {
        connection.prepare_cached(rest)?.execute([key])?;
    }
    connection.prepare_cached(query::PURGE_INSTANCE)?.execute([key])
}
