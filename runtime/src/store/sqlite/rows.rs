//! What a row of the database says.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::payload::Payload;
use crate::store::{Event, Instance, InstanceKey, Parent, State, Status, StoreResult, StoredMessage, Timestamp, Turn};

/// An instance, of the columns that every query for instances names; an error of its own when they make no sense.
pub(super) fn instance(row: &Row<'_>) -> rusqlite::Result<StoreResult<Instance>> {
    let status = match self::status(&row.get::<_, String>(4)?) {
        Ok(status) => status,
        Err(error) => return Ok(Err(error)),
    };
    let tags: String = row.get(12)?;
    let Ok(tags) = serde_json::from_str(&tags) else {
        return Ok(Err(unreadable("the tags of an instance in the database are not text")));
    };
    let custom_status = row.get::<_, Option<String>>(7)?.map(json);
    let call: Option<i64> = row.get(10)?;
    let parent: Option<String> = row.get(9)?;
    let created_at = Timestamp(row.get(3)?);
    Ok(Ok(Instance {
        key: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        parent: parent.zip(call).map(|(instance, id)| Parent { instance, id: id.unsigned_abs() }),
        created_at,
        updated_at: row.get::<_, Option<i64>>(11)?.map_or(created_at, Timestamp),
        state: State {
            status,
            busy: row.get(5)?,
            wake_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
            custom_status,
            report: row.get(8)?,
        },
        tags,
    }))
}

const STATUSES: [Status; 6] =
    [Status::Pending, Status::Running, Status::Completed, Status::Failed, Status::Terminated, Status::Suspended];

pub(super) fn status(status: &str) -> StoreResult<Status> {
    STATUSES.into_iter().find(|known| known.as_str() == status).ok_or_else(|| {
        let message = format!("an instance has the status `{status}`, which this build does not know");
        RuntimeError::new(ErrorKind::Incompatible, message)
    })
}

pub(super) fn turn(row: &Row<'_>) -> StoreResult<Turn> {
    let at = row.get(0).map_err(|error| unreadable("a turn in the database has no time").caused_by(&error))?;
    Ok(Turn {
        at: Timestamp(at),
        events: decode(row.get_ref(1).ok(), "a turn in the database is not a list of events this build knows")?,
    })
}

/// A message: its number, its instance, its event, the id of its instance.
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    Ok(StoredMessage { number: row.get(0)?, instance: row.get(1)?, id: row.get(3)?, event: event(row.get_ref(2)?) })
}

/// A message, which no other has to wait for if it is damaged.
pub(super) fn event(text: ValueRef<'_>) -> StoreResult<Event> {
    decode(Some(text), "a message in the database is not an event this build knows")
}

fn decode<T: serde::de::DeserializeOwned>(text: Option<ValueRef<'_>>, otherwise: &str) -> StoreResult<T> {
    let text = text.and_then(|text| text.as_str().ok()).ok_or_else(|| unreadable(otherwise))?;
    serde_json::from_str(text).map_err(|error| unreadable(otherwise).caused_by(&error))
}

/// A value that is shown and not worked with. One that is damaged is shown as the text it is.
pub(super) fn json(text: String) -> Payload {
    serde_json::from_str(&text).unwrap_or_else(|_| Payload::encode(&text).unwrap_or_else(|_| Payload::null()))
}

/// Why a history cannot be replayed.
pub(super) fn unreadable_turn(id: &str, number: usize) -> RuntimeError {
    unreadable(&format!("turn {number} of `{id}` cannot be read; it is damaged, or was written by a newer build"))
}

fn unreadable(message: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Unreadable, message)
}

/// Turns are kept in the order of their instances and numbers.
pub(super) fn turn_key(instance: InstanceKey, number: u32) -> i64 {
    (instance << 32) | i64::from(number)
}
