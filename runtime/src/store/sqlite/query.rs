//! Every statement of the store, so that a test can look at how SQLite runs each of them.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)*

        /// All of them, by name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// The columns of an instance, as `rows::instance` takes them.
macro_rules! instance {
    ($condition:literal) => {
        concat!(
            "SELECT i.key, i.id, i.name, i.created_at, i.status, i.busy, i.wake_at, i.custom_status, i.report, i.parent_id,
             i.parent_call,
             (SELECT at FROM turn WHERE turn.key BETWEEN i.key << 32 AND (i.key << 32) + 4294967295
              ORDER BY turn.key DESC LIMIT 1),
             (SELECT json_group_object(l.name, l.value) FROM tag l WHERE l.instance = i.key)
             FROM instance i",
            $condition
        )
    };
}

/// What a page of instances begins with; its conditions follow.
pub(super) const INSTANCE: &str = instance!("");

/// The one statement that looks at everything.
pub(super) const COUNTS: &str = "SELECT status, count(*) FROM instance WHERE substr(id, 1, 1) <> '@' GROUP BY status";

/// The index of `ENDED`, made when retention is first asked for.
pub(super) const INDEX_ENDED: &str = "CREATE INDEX IF NOT EXISTS instance_ended ON instance (status, ended_at)
                                      WHERE ended_at IS NOT NULL AND parent_id IS NULL";

statements! {
    BEGIN = "BEGIN IMMEDIATE";
    COMMIT = "COMMIT";
    CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)";
    CLAIM = "SELECT epoch, purged, payloads FROM claim WHERE only_row = 1";
    REGISTERED = "SELECT kind, name, version, shape FROM registered";
    UNREGISTER = "DELETE FROM registered";
    REGISTER = "INSERT INTO registered (kind, name, version, shape) VALUES (?1, ?2, ?3, ?4)";
    NEXT_EPOCH = "UPDATE claim SET epoch = epoch + 1 WHERE only_row = 1 RETURNING epoch";

    FIND_BY_KEY = instance!(" WHERE i.key = ?1");
    FIND_BY_ID = instance!(" WHERE i.id = ?1");
    EXISTS = "SELECT 1 FROM instance WHERE key = ?1";
    CREATE = "INSERT INTO instance (id, name, status, created_at, busy, wake_at, custom_status, report, parent_id, parent_call, ended_at,
                                    key)
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?12, max(?11, coalesce((SELECT max(key) FROM instance), 0)) + 1)
              ON CONFLICT (id) DO NOTHING RETURNING key";
    UPDATE = "UPDATE instance SET status = ?2, busy = ?3, wake_at = ?4, custom_status = ?5, report = ?6, ended_at = ?7
              WHERE key = ?1";
    TAG = "INSERT INTO tag (instance, name, value) VALUES (?1, ?2, ?3)";
    KEY_OF = "SELECT key FROM instance WHERE id = ?1";
    ENDED = "SELECT key, ended_at FROM instance WHERE status = ?1 AND ended_at IS NOT NULL AND parent_id IS NULL
             ORDER BY ended_at LIMIT ?2";
    /// What forbids the purge of `?1`: it, the one that called it, or one that it called has not finished. An entity never finishes: for one
    /// it is a message that waits.
    LIVING = "SELECT id FROM instance WHERE key = ?1 AND status NOT IN ('Completed', 'Failed', 'Terminated')
                        AND (substr(id, 1, 1) <> '@' OR EXISTS (SELECT 1 FROM inbox WHERE instance = ?1))
              UNION ALL SELECT p.id FROM instance i JOIN instance p ON p.id = i.parent_id
                        WHERE i.key = ?1 AND p.status NOT IN ('Completed', 'Failed', 'Terminated')
              UNION ALL SELECT c.id FROM instance i JOIN instance c ON c.parent_id = i.id
                        WHERE i.key = ?1 AND c.status NOT IN ('Completed', 'Failed', 'Terminated')";
    ORPHAN = "UPDATE instance SET parent_id = NULL, parent_call = NULL
              WHERE parent_id IS NOT NULL AND parent_id = (SELECT id FROM instance WHERE key = ?1)";
    PURGE_TURNS = "DELETE FROM turn WHERE key BETWEEN ?1 AND ?2";
    PURGE_INBOX = "DELETE FROM inbox WHERE instance = ?1";
    PURGE_TAGS = "DELETE FROM tag WHERE instance = ?1";
    PURGE_INSTANCE = "DELETE FROM instance WHERE key = ?1";
    PURGE_HEARTBEATS = "DELETE FROM heartbeat WHERE instance = ?1";
    PURGED = "UPDATE claim SET purged = max(purged, ?1) WHERE only_row = 1";

    KEEP_PAYLOAD = "INSERT INTO payload (key, instance, content) VALUES (?1, ?2, ?3)";
    KEEPS_PAYLOADS = "UPDATE claim SET payloads = 1 WHERE only_row = 1";
    PAYLOAD = "SELECT content FROM payload WHERE key = ?1";
    PURGE_PAYLOADS = "DELETE FROM payload WHERE instance = ?1";

    TURNS = "SELECT at, events FROM turn WHERE key BETWEEN ?1 AND ?2 ORDER BY key";
    FIRST_TURN = "SELECT at, events FROM turn WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT 1";
    LAST_TURN = "SELECT at, events FROM turn WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1";
    /// Whether turn `?1` is the last one and `?2` would follow it.
    FOLLOWS = "SELECT 1 FROM turn WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM turn WHERE key = ?2)";
    APPEND = "INSERT INTO turn (key, at, events) VALUES (?1, ?2, ?3)";

    NEW = "SELECT key, id FROM instance WHERE busy = 1 AND status = 'Pending' ORDER BY key LIMIT ?1";
    BUSY = "SELECT key, id FROM instance WHERE busy = 1 AND key > ?1 ORDER BY key LIMIT ?2";
    DUE = "SELECT key, id FROM instance WHERE wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
    NEXT_WAKE = "SELECT wake_at FROM instance WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1";

    BEAT = "INSERT INTO heartbeat (instance, call, details) SELECT ?1, ?2, ?3
            WHERE EXISTS (SELECT 1 FROM instance WHERE key = ?1 AND status NOT IN ('Completed', 'Failed', 'Terminated'))
            ON CONFLICT (instance, call) DO UPDATE SET details = excluded.details";
    STOP_BEAT = "DELETE FROM heartbeat WHERE instance = ?1 AND call = ?2";
    HEARTBEATS = "SELECT call, details FROM heartbeat WHERE instance = ?1";
    /// Before an execution takes the place of the one before.
    TRUNCATE = "DELETE FROM turn WHERE key BETWEEN ?1 AND ?2";
    RENAME = "UPDATE instance SET name = ?2 WHERE key = ?1";
    /// A start is the first event of a history, or follows the end of the execution before. As text: SQLite has no number for a
    /// shape above 2^63.
    CENSUS = "SELECT name,
              CAST(coalesce(events -> '$[0].ExecutionStarted.version', events -> '$[1].ExecutionStarted.version', '1') AS INTEGER),
              coalesce(events -> '$[0].ExecutionStarted.shape', events -> '$[1].ExecutionStarted.shape', '0'),
              count(*)
              FROM instance i JOIN turn t ON t.key = (i.key << 32) + 1
              WHERE status NOT IN ('Completed', 'Failed', 'Terminated') AND substr(i.id, 1, 1) <> '@' AND json_valid(events)
              GROUP BY 1, 2, 3";
    /// The rest: SQLite reads no JSON of more than 1,000 levels.
    CENSUS_DEEP = "SELECT name, events FROM instance i JOIN turn t ON t.key = (i.key << 32) + 1
                   WHERE status NOT IN ('Completed', 'Failed', 'Terminated') AND substr(i.id, 1, 1) <> '@'
                         AND NOT json_valid(events)";

    /// `?3` is 2 for a request, and 0 for what waits with an instance that is set aside.
    POST = "INSERT INTO inbox (instance, event, aside)
            SELECT key, ?2, max(?3, status = 'Suspended' OR status = 'Pending' AND busy = 0) FROM instance WHERE key = ?1";
    TELL = "INSERT INTO inbox (instance, event, aside)
            SELECT key, ?2, max(?3, status = 'Suspended' OR status = 'Pending' AND busy = 0)
            FROM instance WHERE id = ?1 AND status NOT IN ('Completed', 'Failed', 'Terminated')";
    CONSUME = "DELETE FROM inbox WHERE number = ?1";
    /// What the worker hands out.
    WAITING = "SELECT number FROM inbox WHERE aside <> 1 ORDER BY number";
    MESSAGE = "SELECT number, instance, event, id FROM inbox JOIN instance ON key = instance WHERE number = ?1";
    MESSAGES_OF = "SELECT number, instance, event, id FROM inbox JOIN instance ON key = instance
                   WHERE instance = ?1 ORDER BY number";
    MESSAGES = "SELECT number, instance, event, id FROM inbox JOIN instance ON key = instance ORDER BY number";
    /// An instance is set aside, or goes on.
    PUT_ASIDE = "UPDATE inbox SET aside = 1 WHERE instance = ?1 AND aside = 0";
    TAKE_UP = "UPDATE inbox SET aside = 0 WHERE instance = ?1 AND aside = 1";
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::ALL;

    /// The tables that are allowed to grow.
    const LARGE: &[&str] = &["instance", "i", "p", "c", "turn", "inbox", "tag", "l", "heartbeat", "payload"];

    /// The statements that people and tests ask for, who want to know of everything.
    const REPORTS: &[&str] = &["CENSUS", "CENSUS_DEEP", "MESSAGES"];

    #[test]
    fn no_statement_scans_or_sorts_a_table_that_grows() {
        let connection = Connection::open_in_memory().expect("memory is there");
        connection.execute_batch(include_str!("schema.sql")).expect("the schema is SQL");
        connection.execute_batch(include_str!("inbox.sql")).expect("the schema is SQL");
        connection.execute_batch(super::INDEX_ENDED).expect("the index is SQL");
        for (name, sql) in ALL.iter().filter(|(name, _)| !REPORTS.contains(name)) {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect(name);
            let parameters = vec![1; plan.parameter_count()];
            let steps = plan.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>("detail"));
            for step in steps.expect(name) {
                let step = step.expect(name);
                let scans = LARGE.iter().any(|table| step == format!("SCAN {table}"));
                assert!(!scans && !step.contains("TEMP B-TREE"), "{name}: {step}\n{sql}");
            }
        }
    }

    #[test]
    fn every_statement_is_in_the_list() {
        for source in [include_str!("mod.rs"), include_str!("writer.rs"), include_str!("purge.rs")] {
            let inline = source.lines().find(|line| line.contains("prepare(") || line.contains("prepare_cached(\""));
            assert_eq!(inline, None, "a statement that is not in query.rs escapes the look at its plan");
        }
    }
}
