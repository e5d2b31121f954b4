//! Values that an earlier version has stored are deeper than what is accepted: they are shown, exported and purged, and park what decodes
//! them.

use std::path::Path;

use dacapo::store::Event as Recorded;
use dacapo::{Event, Payload, Runtime, activity, orchestrator};
use rusqlite::{Connection, params};

use crate::both::reported;
use crate::nested;

const PARTS: Event<Payload> = Event::new("parts");
const GO: Event<u32> = Event::new("go");

#[activity]
async fn echo(value: Payload) -> Payload {
    value
}

#[orchestrator]
pub(crate) async fn passes_on() -> Payload {
    let (one, other) = (PARTS.wait().await, PARTS.wait().await);
    (echo(one).await, echo(other).await).0
}

/// Never looks at its parts.
#[orchestrator]
async fn waits() -> u32 {
    GO.wait().await
}

#[orchestrator]
async fn keeps(input: Payload) -> Payload {
    let more = GO.wait().await;
    if more > 0 { input } else { echo(input).await }
}

fn edit(folder: &Path, work: impl FnOnce(&Connection)) {
    let database = Connection::open(folder.join("test.db")).expect("it opens");
    work(&database);
}

fn post(database: &Connection, id: &str, input: &str) {
    let event = format!(r#"{{"EventRaised":{{"name":"parts","input":{input}}}}}"#);
    let posted = database
        .execute("INSERT INTO inbox (instance, event) SELECT key, ?2 FROM instance WHERE id = ?1", params![id, event])
        .expect("it is written");
    assert_eq!(posted, 1);
}

fn deepen(database: &Connection, id: &str, what: &str) {
    let sql = "UPDATE turn SET events = replace(events, ?2, ?3) WHERE instance = (SELECT key FROM instance WHERE id = ?1)";
    let changed = database.execute(sql, params![id, what, nested(20_000)]).expect("it is written");
    assert!(changed > 0, "{id}");
}

#[tokio::test]
async fn deep_stored_values_are_shown_and_purged_and_park_only_what_decodes_them() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let runtime = Runtime::open(&url).await?;
    let mark = || Payload::encode("deep").expect("a text");
    runtime.start(passes_on()).id("events").await?;
    runtime.start(waits()).id("innocent").await?;
    runtime.start(keeps(mark())).id("input").await?;
    let result = runtime.start(keeps(mark())).id("result").await?;
    runtime.raise("result", GO, 0).await?;
    result.result().await?;
    runtime.shutdown().await?;
    edit(folder.path(), |database| {
        for _ in 0..2 {
            post(database, "events", &nested(20_000));
            post(database, "innocent", &nested(20_000));
        }
        deepen(database, "input", "\"deep\"");
        deepen(database, "result", "\"deep\"");
    });

    // Twice, since a restart aborted the process again.
    for restart in 0..2 {
        let runtime = Runtime::open(&url).await?;
        if restart == 0 {
            runtime.raise("input", GO, 1).await?;
        }
        for id in ["events", "input"] {
            // Whoever asks first may read what an earlier process has reported: only after a resumption this one has tried.
            reported(&runtime, id).await;
            drop(runtime.resume(id, "once more").await);
            let parked = reported(&runtime, id).await;
            let report = parked.report().expect("it is parked");
            assert!(report.contains("20000 levels deep") && report.len() < 2_000, "{report}");
        }
        let census = runtime.census().await?;
        assert_eq!(census.iter().map(|row| row.instances).sum::<u64>(), 3, "{census:?}");
        let history = runtime.history("input").await?;
        assert!(matches!(&history[0].events[0], Recorded::ExecutionStarted { input, .. } if input.as_str().len() == 40_000));
        let shown = runtime.status("result").await?;
        assert_eq!(shown.output().expect("an output").as_str().len(), 40_000);
        assert!(shown.output().expect("an output").decode::<Payload>().is_err());
        runtime.shutdown().await?;
    }
    edit(folder.path(), |database| {
        let rows = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect(sql);
        assert!(rows("SELECT count(*) FROM history") > 4);
        assert!(rows("SELECT count(*) FROM history WHERE type = '(not readable by SQLite)' AND length(detail) > 40000") >= 3);
    });

    let runtime = Runtime::open(&url).await?;
    runtime.raise("innocent", GO, 7).await?;
    assert_eq!(runtime.attach(waits, "innocent").result().await?, 7, "what it never looks at does not hold it up");
    for id in ["events", "input"] {
        runtime.terminate(id, "not needed").await?;
    }
    for id in ["events", "input", "result"] {
        runtime.purge(id).await?;
    }
    Ok(runtime.shutdown().await?)
}
