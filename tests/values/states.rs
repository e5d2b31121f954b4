//! An entity whose stored state cannot be read says so and keeps what it is asked for, until it can be read.

use dacapo::{EntityId, Runtime, Status, entity, orchestrator};
use rusqlite::{Connection, params};

use crate::both::{Kept, reaches, reported};

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Counter {
    value: u32,
}

#[entity]
impl Counter {
    fn add(&mut self, n: u32) -> u32 {
        self.value += n;
        self.value
    }
}

#[orchestrator]
async fn adds(n: u32) -> u32 {
    Counter::at("visits").add(n).await
}

const ID: &str = "@counter@visits";
const OF_IT: &str = "WHERE instance = (SELECT key FROM instance WHERE id = ?1)";

fn stored(database: &Connection) -> String {
    let sql = format!("SELECT events FROM turn {OF_IT} ORDER BY key DESC LIMIT 1");
    database.query_row(&sql, [ID], |row| row.get(0)).expect("it has a state")
}

fn store(database: &Connection, events: &str) {
    let changed = database.execute(&format!("UPDATE turn SET events = ?2 {OF_IT}"), params![ID, events]).expect("it is written");
    assert_eq!(changed, 1);
}

async fn open(kept: &Kept) -> Runtime {
    kept.runtime().open().await.expect("it opens")
}

async fn is_kept_until_it_can_be_read(damage: impl Fn(&str) -> String) -> dacapo::Result<()> {
    let kept = Kept::file();
    let runtime = open(&kept).await;
    runtime.call(Counter::at("visits").add(2)).await?;
    runtime.shutdown().await?;
    let database = Connection::open(kept.path().expect("a file"))?;
    let sound = stored(&database);
    assert!(sound.contains(r#"{"value":2}"#), "{sound}");
    store(&database, &damage(&sound));

    let runtime = open(&kept).await;
    let refused = runtime.call(Counter::at("visits").add(100)).await.expect_err("its state cannot be read");
    assert!(refused.to_string().contains("read"), "{refused}");
    runtime.signal(Counter::at("visits").add(100)).await.expect_err("its state cannot be read");
    kept.client().await.signal_named(&EntityId::named("counter", "visits"), "add", 3).await?;
    runtime.start(adds(4)).id("caller").await?;
    let status = reported(&runtime, ID).await;
    let report = status.report().expect("it is reported");
    assert!(report.contains("cannot be loaded") && report.contains("messages are kept") && report.len() < 1_000, "{report}");
    assert_eq!(reaches(&runtime, "caller", Status::Running).await.report(), None, "it waits");
    runtime.entities().await?;
    runtime.shutdown().await?;

    store(&database, &sound);
    let runtime = open(&kept).await;
    assert_eq!(runtime.attach(adds, "caller").result().await?, 9, "all that was kept is done, in its order");
    assert_eq!(runtime.status(ID).await?.report(), None);
    Ok(runtime.shutdown().await?)
}

#[tokio::test]
async fn a_state_of_another_type_is_reported_and_loses_no_message() -> dacapo::Result<()> {
    is_kept_until_it_can_be_read(|sound| sound.replace(r#"{"value":2}"#, r#""two""#)).await
}

#[tokio::test]
async fn a_state_that_is_too_deep_is_reported_and_loses_no_message() -> dacapo::Result<()> {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    is_kept_until_it_can_be_read(|sound| sound.replace(r#"{"value":2}"#, &deep)).await
}

#[tokio::test]
async fn a_state_that_is_cut_is_reported_and_loses_no_message() -> dacapo::Result<()> {
    is_kept_until_it_can_be_read(|sound| sound[..sound.len() / 2].to_owned()).await
}
