//! What a batch changes in the database.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::sqlite::request::{Request, encode};
use crate::store::sqlite::rows::turn_key;
use crate::store::sqlite::{purge, query};
use crate::store::{
    Append, Applied, Batch, Epoch, Event, Heartbeat, InstanceKey, NewInstance, OutOfLine, Owner, State, StoreResult, Update,
    already_exists, fenced, out_of_order,
};

/// One transaction for all requests. A refused one has written nothing; an error concerns all of them.
pub(super) fn commit(
    connection: &Connection,
    patience: Duration,
    requests: &[Request],
    results: &mut Vec<StoreResult<Applied>>,
) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    connection.prepare_cached(query::BEGIN)?.execute([])?;
    let mut claim = connection.prepare_cached(query::CLAIM)?;
    let mut claim =
        claim.query_row([], |row| Ok(Claim { epoch: Epoch(row.get(0)?), purged: row.get(1)?, has_payloads: row.get(2)? }))?;
    for request in requests {
        results.push(apply(connection, request, &mut claim)?);
    }
    connection.prepare_cached(query::COMMIT)?.execute([])?;
    Ok(())
}

/// The row of the table `claim`.
struct Claim {
    epoch: Epoch,
    purged: InstanceKey,
    /// Whether a value was ever stored out of line.
    has_payloads: bool,
}

fn apply(connection: &Connection, request: &Request, claim: &mut Claim) -> rusqlite::Result<StoreResult<Applied>> {
    let batch = &request.batch;
    if let Err(refusal) = check(connection, batch, claim)? {
        return Ok(Err(refusal));
    }
    let mut applied = Applied::default();
    for key in &batch.purge {
        applied.purged += purge::purge(connection, *key, claim.has_payloads)?;
        claim.purged = claim.purged.max(*key);
    }
    if let (Some(new), Some(events)) = (&batch.create, &request.created) {
        applied.created = create(connection, claim, new, events)?;
        if applied.created.is_none() {
            return Ok(Err(already_exists(&new.id)));
        }
    }
    for (new, events) in batch.children.iter().zip(&request.children) {
        applied.children.push(create(connection, claim, new, events)?);
    }
    if let (Some(append), Some(events)) = (&batch.append, &request.appended) {
        self::append(connection, claim, append, batch.continues.as_deref(), events)?;
    }
    for value in &batch.out_of_line {
        keep(connection, claim, value, batch, &applied)?;
    }
    if let Some(update) = &batch.update {
        self::update(connection, batch, update)?;
    }
    send(connection, request)?;
    Ok(Ok(applied))
}

/// Why a batch is refused, before anything of it is written.
fn check(connection: &Connection, batch: &Batch, claim: &Claim) -> rusqlite::Result<StoreResult<()>> {
    if batch.epoch.is_some_and(|epoch| epoch != claim.epoch) {
        return Ok(Err(fenced()));
    }
    if let Some(append) = &batch.append {
        let mut before = connection.prepare_cached(query::FOLLOWS)?;
        let keys = params![turn_key(append.instance, append.number.saturating_sub(1)), turn_key(append.instance, append.number)];
        if append.number < 2 || !before.exists(keys)? {
            return Ok(Err(out_of_order(append)));
        }
    }
    if let Err(refusal) = purge::check(connection, batch)? {
        return Ok(Err(refusal));
    }
    for (key, _) in &batch.post {
        if !connection.prepare_cached(query::EXISTS)?.exists([key])? {
            return Ok(Err(RuntimeError::new(ErrorKind::NotFound, format!("there is no instance {key}"))));
        }
    }
    Ok(Ok(()))
}

/// Writes a turn, which may begin the next execution of its instance.
fn append(
    connection: &Connection,
    claim: &Claim,
    append: &Append,
    continues: Option<&str>,
    events: &str,
) -> rusqlite::Result<()> {
    let Some(name) = continues else {
        return insert_turn(connection, append.instance, append.number, append.turn.at.0, events);
    };
    let keys = params![turn_key(append.instance, 0), turn_key(append.instance, u32::MAX)];
    connection.prepare_cached(query::TRUNCATE)?.execute(keys)?;
    if claim.has_payloads {
        connection.prepare_cached(query::PURGE_PAYLOADS)?.execute([append.instance])?;
    }
    connection.prepare_cached(query::RENAME)?.execute(params![append.instance, name])?;
    insert_turn(connection, append.instance, 1, append.turn.at.0, events)
}

/// Stores a value out of line, if the instance it belongs to is there: a child may have been left out.
fn keep(connection: &Connection, claim: &mut Claim, value: &OutOfLine, batch: &Batch, applied: &Applied) -> rusqlite::Result<()> {
    let owner = match value.owner {
        Owner::Created => applied.created,
        Owner::Child(index) => applied.children.get(index).copied().flatten(),
        Owner::Appended => batch.append.as_ref().map(|append| append.instance),
    };
    if !std::mem::replace(&mut claim.has_payloads, true) {
        connection.prepare_cached(query::KEEPS_PAYLOADS)?.execute([])?;
    }
    if let Some(owner) = owner {
        connection.prepare_cached(query::KEEP_PAYLOAD)?.execute(params![value.key, owner, value.content])?;
    }
    Ok(())
}

/// Brings an instance to another state.
fn update(connection: &Connection, batch: &Batch, update: &Update) -> rusqlite::Result<()> {
    let State { status, busy, wake_at, custom_status, report } = &update.state;
    connection.prepare_cached(query::UPDATE)?.execute(params![
        update.instance,
        status.as_str(),
        busy,
        wake_at.map(|at| at.0),
        custom_status.as_ref().map(crate::Payload::as_str),
        report,
        batch.append.as_ref().map(|append| append.turn.at.0).filter(|_| status.is_terminal()),
    ])?;
    if update.state.is_aside() {
        connection.prepare_cached(query::PUT_ASIDE)?.execute([update.instance])?;
    } else if batch.takes_up {
        connection.prepare_cached(query::TAKE_UP)?.execute([update.instance])?;
    }
    if status.is_terminal() {
        connection.prepare_cached(query::PURGE_HEARTBEATS)?.execute([update.instance])?;
    }
    Ok(())
}

/// Writes and deletes messages and heartbeats.
fn send(connection: &Connection, request: &Request) -> rusqlite::Result<()> {
    let batch = &request.batch;
    for ((key, event), text) in batch.post.iter().zip(&request.posted) {
        connection.prepare_cached(query::POST)?.execute(params![key, text, mark(event)])?;
    }
    for Heartbeat { instance, call, details } in &batch.heartbeats {
        let call = i64::try_from(*call).unwrap_or(i64::MAX);
        match details {
            Some(details) => connection.prepare_cached(query::BEAT)?.execute(params![instance, call, details.as_str()])?,
            None => connection.prepare_cached(query::STOP_BEAT)?.execute(params![instance, call])?,
        };
    }
    for (id, event) in &batch.tell {
        connection.prepare_cached(query::TELL)?.execute(params![id, encode(event), mark(event)])?;
    }
    for number in &batch.consume {
        connection.prepare_cached(query::CONSUME)?.execute([number])?;
    }
    Ok(())
}

/// Whether a message may wait with its instance.
fn mark(event: &Event) -> i64 {
    if event.is_request() { 2 } else { 0 }
}

/// The key of the new instance, or `None` when its id is taken.
fn create(connection: &Connection, claim: &Claim, new: &NewInstance, events: &str) -> rusqlite::Result<Option<InstanceKey>> {
    let NewInstance { id, name, parent, created_at, turn, state, tags } = new;
    let key = connection
        .prepare_cached(query::CREATE)?
        .query_row(
            params![
                id,
                name,
                state.status.as_str(),
                created_at.0,
                state.busy,
                state.wake_at.map(|at| at.0),
                state.custom_status.as_ref().map(crate::Payload::as_str),
                state.report,
                parent.as_ref().map(|parent| &parent.instance),
                parent.as_ref().map(|parent| i64::try_from(parent.id).unwrap_or(i64::MAX)),
                claim.purged,
                Some(turn.at.0).filter(|_| state.status.is_terminal()),
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(key) = key {
        insert_turn(connection, key, 1, turn.at.0, events)?;
        for (name, value) in tags {
            let mut insert = connection.prepare_cached(query::TAG)?;
            insert.execute(params![key, name, value])?;
        }
    }
    Ok(key)
}

fn insert_turn(connection: &Connection, instance: InstanceKey, number: u32, at: i64, events: &str) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(query::APPEND)?;
    insert.execute(params![turn_key(instance, number), at, events]).map(|_| ())
}
