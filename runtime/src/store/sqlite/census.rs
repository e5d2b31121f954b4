//! How many instances each orchestrator's code has to finish.

use rusqlite::Connection;

use crate::kernel::engine::event::Event;
use crate::store::Census;
use crate::store::sqlite::{ReadError, query};

pub(super) fn census(connection: &Connection) -> Result<Vec<Census>, ReadError> {
    let mut statement = connection.prepare_cached(query::CENSUS)?;
    let mut rows = statement.query([])?;
    let mut census = Vec::new();
    while let Some(row) = rows.next()? {
        let shape = row.get_ref(2)?.as_str().ok().and_then(|shape| shape.parse().ok()).unwrap_or(0);
        let count: i64 = row.get(3)?;
        census.push(Census::new(row.get(0)?, row.get(1)?, shape, count.unsigned_abs()));
    }
    let mut statement = connection.prepare_cached(query::CENSUS_DEEP)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let (version, shape) = started_by(row.get_ref(1)?.as_str().unwrap_or_default());
        match census.iter_mut().find(|row| (&row.name, row.version, row.shape) == (&name, version, shape)) {
            Some(row) => row.instances += 1,
            None => census.push(Census::new(name, version, shape, 1)),
        }
    }
    census.sort_unstable();
    Ok(census)
}

/// Version and shape of the code that a first turn was started by.
fn started_by(turn: &str) -> (u32, u64) {
    let events: Vec<Event> = serde_json::from_str(turn).unwrap_or_default();
    let started = events.into_iter().find_map(|event| match event {
        Event::ExecutionStarted { version, shape, .. } => Some((version, shape)),
        _ => None,
    });
    started.unwrap_or((1, 0))
}
