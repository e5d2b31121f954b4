//! What a row of the database says.

use rusqlite::Row;

use crate::error::{ErrorKind, RuntimeError};
use crate::store::sqlite::ReadError;
use crate::store::sqlite::request::decode;
use crate::store::{Instance, InstanceKey, Parent, State, Status, StoreResult, Timestamp, Turn};

/// An instance, of the columns that every query for instances names; an error of its own when they make no sense.
pub(super) fn instance(row: &Row<'_>) -> rusqlite::Result<StoreResult<Instance>> {
    let status = match self::status(&row.get::<_, String>(4)?) {
        Ok(status) => status,
        Err(error) => return Ok(Err(error)),
    };
    let tags: String = row.get(12)?;
    let Ok(tags) = serde_json::from_str(&tags) else {
        return Ok(Err(RuntimeError::new(ErrorKind::Store, "the tags of an instance in the database are no texts")));
    };
    let custom_status: Option<String> = row.get(7)?;
    let custom_status = match custom_status.map(|text| serde_json::from_str(&text)).transpose() {
        Ok(custom_status) => custom_status,
        Err(error) => {
            return Ok(Err(RuntimeError::new(ErrorKind::Store, "a custom status in the database is no JSON").caused_by(&error)));
        }
    };
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

pub(super) fn status(status: &str) -> StoreResult<Status> {
    Status::parse(status).ok_or_else(|| {
        let message = format!("an instance has the status `{status}`, which this build does not know");
        RuntimeError::new(ErrorKind::Incompatible, message)
    })
}

pub(super) fn turn(row: &Row<'_>) -> Result<Turn, ReadError> {
    let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Turn { at: Timestamp(row.get(0)?), events: decode(text)? })
}

/// Turns are kept in the order of their instances and numbers.
pub(super) fn turn_key(instance: InstanceKey, number: u32) -> i64 {
    (instance << 32) | i64::from(number)
}
