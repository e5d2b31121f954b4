//! The database as a kill has left it, read from a copy, and what is true of every database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dacapo::store::Event;
use rusqlite::{Connection, OptionalExtension as _};

use crate::ledger::Ledger;
use crate::orchestrations::SECRET;

pub(crate) struct Snapshot {
    pub(crate) instances: BTreeMap<String, Stored>,
    /// Rows of which there is no instance, and what SQLite has to complain of.
    damage: Vec<String>,
    shows_secret: bool,
}

pub(crate) struct Stored {
    key: i64,
    status: String,
    /// The numbers of the turns, and their events.
    turns: Vec<(i64, Vec<Event>)>,
}

impl Snapshot {
    /// Nothing, if there is no database yet. A `thorough` look goes through all bytes of its files.
    pub(crate) fn of(database: &Path, thorough: bool) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = folder.path().join("copy.db");
        let mut shows_secret = false;
        for suffix in ["", "-wal"] {
            let beside = |path: &Path| format!("{}{suffix}", path.display());
            if let Ok(bytes) = std::fs::read(beside(database)) {
                shows_secret |= thorough && String::from_utf8_lossy(&bytes).contains(SECRET);
                std::fs::write(beside(&copy), bytes).expect("the database can be copied");
            }
        }
        let connection = Connection::open(&copy).expect("the copy can be opened");
        let is_made = connection.query_row("SELECT 1 FROM sqlite_schema WHERE name = 'instance'", [], |_| Ok(())).optional();
        is_made.expect("the copy is a database")?;
        Some(Self { instances: instances(&connection), damage: damage(&connection, thorough), shows_secret })
    }

    /// The idempotency keys of the activities that are recorded as completed.
    pub(crate) fn recorded(&self) -> BTreeSet<String> {
        let recorded = self.instances.iter().flat_map(|(id, stored)| {
            let completed = stored.events().filter_map(|event| match event {
                Event::TaskCompleted { id, .. } => Some(id),
                _ => None,
            });
            completed.map(move |call| format!("{id}/{}/{call}", stored.key))
        });
        recorded.collect()
    }

    /// Entities that are locked.
    pub(crate) fn locked(&self) -> Vec<&str> {
        let is_locked = |stored: &Stored| stored.events().any(|event| matches!(event, Event::EntityState { lock: Some(_), .. }));
        self.instances.iter().filter(|(_, stored)| is_locked(stored)).map(|(id, _)| id.as_str()).collect()
    }

    /// Whatever is not as it must be, and how many things were looked at.
    pub(crate) fn check(&self, ledger: &Ledger) -> (Vec<String>, u64) {
        let mut wrong = self.damage.clone();
        if self.shows_secret {
            wrong.push("a secret is readable in the files of the database".to_owned());
        }
        let mut checks = 0;
        for (id, stored) in &self.instances {
            checks += stored.turns.len() as u64;
            stored.check(&mut |what| wrong.push(format!("{id} ({}): {what}: {:?}", stored.status, stored.turns)));
        }
        for (id, run) in &ledger.runs {
            checks += 1;
            let is_there = self.instances.contains_key(id);
            if !is_there && run.must_exist() {
                wrong.push(format!("{id} was started and is lost: {run:?}"));
            }
            if run.is_purged && is_there {
                wrong.push(format!("{id} was purged and is there"));
            }
        }
        (wrong, checks)
    }
}

impl Stored {
    fn events(&self) -> impl Iterator<Item = &Event> {
        self.turns.iter().flat_map(|(_, events)| events)
    }

    /// Turns are numbered without a gap, a call has one outcome, and after the end there is nothing.
    fn check(&self, wrong: &mut dyn FnMut(&str)) {
        if self.turns.windows(2).any(|pair| pair[1].0 != pair[0].0 + 1) || self.turns.first().is_some_and(|first| first.0 != 1) {
            wrong("its turns have a gap");
        }
        let (mut completed, mut failed) = (BTreeSet::new(), BTreeSet::new());
        let mut has_ended = false;
        for event in self.events() {
            if has_ended && !matches!(event, Event::ExecutionRewound { .. }) {
                wrong("something comes after its end");
            }
            let mut is_second = false;
            match event {
                Event::TaskCompleted { id, .. }
                | Event::SubOrchestrationInstanceCompleted { id, .. }
                | Event::TimerFired { id }
                | Event::EntityOperationCompleted { id, .. }
                | Event::EntityLockGranted { id, .. } => {
                    is_second = failed.contains(id) || !completed.insert(*id);
                }
                Event::TaskFailed { id, retry_at: None, .. }
                | Event::SubOrchestrationInstanceFailed { id, .. }
                | Event::EntityOperationFailed { id, .. } => {
                    is_second = completed.contains(id) || !failed.insert(*id);
                }
                Event::ExecutionRewound { .. } => {
                    failed.clear();
                    has_ended = false;
                }
                Event::ExecutionCompleted { .. } | Event::ExecutionFailed { .. } | Event::ExecutionTerminated { .. } => {
                    has_ended = true;
                }
                _ => {}
            }
            if is_second {
                wrong(&format!("a call has a second outcome: {event:?}"));
            }
        }
        if has_ended != ["Completed", "Failed", "Terminated"].contains(&self.status.as_str()) {
            wrong("its status is not that of its history");
        }
    }
}

fn instances(connection: &Connection) -> BTreeMap<String, Stored> {
    let mut statement = connection
        .prepare(
            "SELECT i.id, i.key, i.status, t.number, t.events FROM instance i LEFT JOIN turn t ON t.key >> 32 = i.key
             ORDER BY i.key, t.key",
        )
        .expect("the tables are there");
    let mut instances = BTreeMap::<String, Stored>::new();
    let mut rows = statement.query([]).expect("the tables are readable");
    while let Some(row) = rows.next().expect("a row is readable") {
        let column = |name| row.get(name).expect("a column of its type");
        let id: String = row.get("id").expect("an id");
        let stored = instances.entry(id).or_insert_with(|| Stored {
            key: column("key"),
            status: row.get("status").expect("a status"),
            turns: Vec::new(),
        });
        if let Some(number) = row.get("number").expect("a number, if there is a turn") {
            let events: String = row.get("events").expect("a turn has events");
            stored.turns.push((number, serde_json::from_str(&events).expect("events are JSON")));
        }
    }
    instances
}

fn damage(connection: &Connection, thorough: bool) -> Vec<String> {
    let mut damage = Vec::new();
    if thorough {
        let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("the copy can be checked");
        if said != "ok" {
            damage.push(format!("the database is damaged: {said}"));
        }
    }
    for table in ["turn", "tag", "heartbeat", "payload", "inbox"] {
        let query = format!("SELECT count(*) FROM {table} WHERE instance NOT IN (SELECT key FROM instance)");
        let orphans: i64 = connection.query_row(&query, [], |row| row.get(0)).expect("the table is there");
        if orphans > 0 {
            damage.push(format!("{orphans} rows of `{table}` belong to no instance"));
        }
    }
    damage
}
