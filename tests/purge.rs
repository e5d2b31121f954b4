//! What purging promises: nothing is left, nothing unfinished is touched, and with retention the file stops growing.

use std::time::Duration;

use dacapo::testing::Harness;
use dacapo::{ErrorKind, Event, Retention, Runtime, Status, activity, orchestrator};
use futures::future::join_all;

mod both;
use both::{Kept, reaches, until};

const GO: Event<u32> = Event::new("go");

#[activity]
async fn echo(text: String) -> String {
    text
}

#[orchestrator]
async fn echoes(text: String) -> usize {
    echo(text).await.len()
}

#[orchestrator]
async fn waits() -> u32 {
    GO.wait().await
}

#[orchestrator]
async fn fails() -> dacapo::Result<()> {
    Err(dacapo::Error::msg("no"))
}

/// Two children, one of which has one.
#[orchestrator]
async fn grandparent() -> usize {
    let (a, b) = dacapo::join!(parent(), echoes("a".into()));
    a + b
}

#[orchestrator]
async fn parent() -> usize {
    echoes("b".into()).await
}

async fn open(kept: &Kept) -> Runtime {
    kept.runtime().open().await.expect("it opens")
}

/// The rows of every table but those of counters, and of what the worker can run.
fn rows(kept: &Kept) -> Vec<(String, i64)> {
    let Some(path) = kept.path() else { return Vec::new() };
    let database = rusqlite::Connection::open(path).expect("it opens");
    let mut tables = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('claim', 'registered', 'sqlite_sequence')")
        .expect("SQL");
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).expect("SQL").collect::<Result<_, _>>().expect("names");
    assert!(tables.len() >= 4, "{tables:?}");
    let count = |table: &String| database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("SQL");
    tables.iter().map(|table| (table.clone(), count(table))).filter(|(_, count)| *count > 0).collect()
}

async fn nothing_is_left(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(echoes("x".repeat(100_000))).id("one").tag("a", "b").await?.result().await?;
    runtime.start(grandparent()).id("g").await?.result().await?;
    let run = runtime.start(waits()).id("w").await?;
    runtime.suspend("w", "").await?;
    run.raise(GO, 1).await?;
    runtime.terminate("w", "with a message in its inbox").await?;
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    assert_eq!(runtime.purge("one").await?, 1);
    assert_eq!(runtime.purge("g").recursive().await?, 4);
    assert_eq!(runtime.purge("w").await?, 1);
    assert_eq!(runtime.counts().await?.total(), 0);
    runtime.shutdown().await?;
    assert_eq!(rows(&kept), []);

    let runtime = open(&kept).await;
    let error = runtime.purge("one").await.expect_err("it is gone");
    assert!(error.is_not_found(), "{error}");
    assert_eq!(runtime.start(echoes("again".into())).id("one").await?.result().await?, 5, "its id is free");
    Ok(())
}

async fn what_has_not_finished_is_refused_and_stays(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let run = runtime.start(waits()).id("w").await?;
    for request in [runtime.purge("w"), runtime.purge("w").recursive()] {
        let error = request.await.expect_err("it waits");
        assert!(error.kind() == ErrorKind::Unfinished && error.to_string().contains("`w` has not finished"), "{error}");
    }
    run.raise(GO, 4).await?;
    assert_eq!(run.result().await?, 4);
    Ok(())
}

/// Calls two children and waits for the second.
#[orchestrator]
async fn half_done() -> u32 {
    let _ = echoes("first".into()).id("first").await;
    waits().id("second").await
}

async fn the_children_of_what_runs_are_refused(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let run = runtime.start(half_done()).id("h").await?;
    reaches(&runtime, "second", Status::Running).await;
    let error = runtime.purge("first").await.expect_err("its caller runs");
    assert!(error.kind() == ErrorKind::Unfinished && error.to_string().contains("`h` has not finished"), "{error}");
    runtime.raise("second", GO, 2).await?;
    assert_eq!(run.result().await?, 2);
    assert_eq!(runtime.purge("h").await?, 1);
    assert_eq!(runtime.status("first").await?.parent_id(), None, "it stays, as if a client had started it");
    assert_eq!(runtime.purge("first").await?, 1);
    Ok(())
}

async fn a_filter_purges_what_it_finds(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    for n in 0..12 {
        let tenant = if n % 2 == 0 { "acme" } else { "other" };
        runtime.start(echoes("x".into())).id(format!("e{n}")).tag("tenant", tenant).await?.result().await?;
    }
    runtime.start(waits()).id("w").tag("tenant", "acme").await?;
    let error = runtime.query().status(Status::Running).purge().await.expect_err("that cannot be meant");
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("only finished ones"), "{error}");
    for (query, why) in [
        (runtime.query().tag("tenant", "acme"), "names no status"),
        (runtime.query().finished().id_prefix(""), "the id prefix is empty"),
        (runtime.query().finished().status(Status::Suspended), "only finished ones"),
    ] {
        let error = query.purge().await.expect_err("it is wider than it looks");
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(why), "{error}");
    }
    let none: [Status; 0] = [];
    assert_eq!(runtime.query().statuses(none).purge().await?, 0, "an empty list is not every status");
    assert_eq!(runtime.query().statuses(none).await?.instances().len(), 0);
    assert_eq!(runtime.query().tag("tenant", "acme").finished().page_size(2).purge().await?, 6);
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    assert_eq!(runtime.counts().await?.of(Status::Completed), 6);
    assert_eq!(runtime.status("w").await?.runtime_status(), Status::Running);
    assert_eq!(runtime.query().finished().purge().await?, 6);
    assert_eq!(runtime.counts().await?.total(), 1);
    Ok(())
}

async fn retention_keeps_each_status_for_its_time_over_a_restart(kept: Kept) -> dacapo::Result<()> {
    let hour = Duration::from_secs(3600);
    let runtime = kept.runtime().retention(Retention::all(hour)).open().await?;
    runtime.start(grandparent()).id("g").await?.result().await?;
    let _ = runtime.start(fails()).id("f").await?.result().await;
    runtime.start(waits()).id("w").await?;
    assert_eq!(runtime.counts().await?.of(Status::Completed), 4, "not yet");
    runtime.shutdown().await?;

    let retention = Retention::completed(Duration::from_millis(150)).failed(hour);
    let runtime = kept.runtime().retention(retention).open().await?;
    until("the completed are purged", async || runtime.counts().await.expect("it counts").of(Status::Completed) == 0).await;
    assert_eq!(runtime.counts().await?.total(), 2);
    runtime.start(echoes("later".into())).await?;
    until("later ones, too", async || runtime.counts().await.expect("it counts").total() == 2).await;
    assert_eq!(runtime.status("f").await?.runtime_status(), Status::Failed);
    assert_eq!(runtime.status("w").await?.runtime_status(), Status::Running);
    Ok(())
}

/// How many runs there are, of a harness.
fn left(harness: &Harness) -> u64 {
    harness.client(|client| async move { client.counts().await.expect("it counts").total() })
}

#[test]
fn what_has_ended_is_kept_for_its_age_and_no_moment_longer() {
    let (hour, moment) = (Duration::from_secs(3600), Duration::from_micros(1));
    let harness = Harness::new();
    harness.settings(move |builder| builder.retention(Retention::completed(hour).failed(3 * hour)));
    harness.real(echo);
    harness.run(grandparent()).expect("it ends well");
    harness.run(fails()).expect_err("it fails");
    harness.start(waits());
    harness.advance(hour - moment);
    assert_eq!(left(&harness), 6);
    harness.advance(moment);
    assert_eq!(left(&harness), 2, "the family of four is gone");
    harness.advance(hour);
    harness.run(echoes("later".into())).expect("it ends well");
    harness.advance(hour - moment);
    assert_eq!(left(&harness), 3);
    harness.advance(moment);
    assert_eq!(left(&harness), 1, "what completed later and what failed earlier are due together; what waits stays");
}

both::on_both_stores! {
    nothing_is_left
    what_has_not_finished_is_refused_and_stays
    the_children_of_what_runs_are_refused
    a_filter_purges_what_it_finds
    retention_keeps_each_status_for_its_time_over_a_restart
}

/// The size of the database and its log after `cycles` of work, each purged before the next.
async fn size_after(cycles: usize) -> u64 {
    let kept = Kept::file();
    let runtime = kept.runtime().retention(Retention::all(Duration::from_millis(100))).open().await.expect("it opens");
    for _ in 0..cycles {
        let runs = (0..50).map(|_| async {
            runtime.start(echoes("x".repeat(2_000))).tag("tenant", "acme").await.expect("it starts");
        });
        join_all(runs).await;
        until("all is purged", async || runtime.counts().await.expect("it counts").total() == 0).await;
    }
    let path = kept.path().expect("it is a file");
    runtime.shutdown().await.expect("it closes");
    std::fs::metadata(path).expect("it is there").len()
}

#[tokio::test]
async fn under_steady_churn_the_file_stops_growing() {
    let (once, twice) = (size_after(10).await, size_after(20).await);
    assert!(twice <= once + 64 * 1024, "{once} bytes after 10 cycles, {twice} after 20");
    assert!(once < 2_000_000, "500 runs of 4 kB would be 2 MB, had they stayed: {once} bytes");
}
