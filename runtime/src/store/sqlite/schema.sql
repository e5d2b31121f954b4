-- One row per orchestration. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE instance (
    key           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    status        TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    busy          INTEGER NOT NULL,   -- 1: a restarted worker has something to do at once
    wake_at       INTEGER,            -- when the earliest timer is due
    custom_status TEXT,
    report        TEXT,               -- why it was parked
    parent_id     TEXT,               -- the orchestration that called it, and the number of the call there
    parent_call   INTEGER,
    ended_at      INTEGER
) STRICT;
CREATE INDEX instance_busy ON instance (key) WHERE busy = 1;
-- Most runs go from Running to Completed, and write nothing here.
CREATE INDEX instance_status ON instance (status, key) WHERE status NOT IN ('Running', 'Completed');
CREATE INDEX instance_parent ON instance (parent_id, key) WHERE parent_id IS NOT NULL;
CREATE INDEX instance_wake ON instance (wake_at) WHERE wake_at IS NOT NULL;

-- One row per turn: all that was delivered and decided in it, as a JSON array. The key is instance * 2^32 + number, so that
-- a turn is an append to an integer-keyed table; instance and number can be read and queried as columns.
CREATE TABLE turn (
    key      INTEGER PRIMARY KEY,
    instance INTEGER GENERATED ALWAYS AS (key >> 32) VIRTUAL,
    number   INTEGER GENERATED ALWAYS AS (key & 4294967295) VIRTUAL,
    at       INTEGER NOT NULL,
    events   TEXT NOT NULL
) STRICT;

-- What orchestrations are labelled with, to be found by.
CREATE TABLE tag (
    instance INTEGER NOT NULL,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (instance, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_value ON tag (name, value, instance);

-- What running activities have said last of themselves.
CREATE TABLE heartbeat (
    instance INTEGER NOT NULL,
    call     INTEGER NOT NULL,
    details  TEXT NOT NULL,
    PRIMARY KEY (instance, call)
) STRICT, WITHOUT ROWID;

-- Large values, to which histories refer by their keys.
CREATE TABLE payload (
    key      INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL,
    content  BLOB NOT NULL
) STRICT;
CREATE INDEX payload_instance ON payload (instance);

-- Messages from other processes, and for orchestrations that cannot take them now.
CREATE TABLE inbox (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    instance INTEGER NOT NULL,
    event    TEXT NOT NULL
) STRICT;
CREATE INDEX inbox_instance ON inbox (instance);

-- The claim of the worker: every batch of a worker carries the epoch it was given.
-- A key of an instance is never given again: it is above every key there is, and above `purged`, the greatest that was deleted.
-- `payloads` is 1 since a large value was kept: until then nobody looks for any.
CREATE TABLE claim (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    INTEGER NOT NULL,
    purged   INTEGER NOT NULL,
    payloads INTEGER NOT NULL
) STRICT;
INSERT INTO claim VALUES (1, 0, 0, 0);

-- What the worker with the claim can run, so that another process knows which names there are.
CREATE TABLE registered (
    kind    TEXT NOT NULL,      -- orchestrator or entity
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    shape   INTEGER NOT NULL,   -- as a signed number
    PRIMARY KEY (kind, name, version)
) STRICT, WITHOUT ROWID;

-- The history as a person reads it: SELECT * FROM history WHERE id = 'order-42';
CREATE VIEW history AS
SELECT i.id,
       t.number AS turn,
       e.key + 1 AS event,
       strftime('%Y-%m-%dT%H:%M:%fZ', t.at / 1e6, 'unixepoch') AS at,
       (SELECT key FROM json_each(e.value)) AS type,
       (SELECT value FROM json_each(e.value)) AS detail
FROM turn t JOIN instance i ON i.key = t.instance, json_each(t.events) e
ORDER BY t.key, e.key;
