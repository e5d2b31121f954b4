//! What the SQLite file promises beyond the conformance suite: who may open it, what survives, what a person can read.

use std::path::Path;
use std::process::Command;

use dacapo::store::{SqliteStore, Synchronous};
use dacapo::{Client, ErrorKind, Runtime, RuntimeError, activity, orchestrator};
use rusqlite::Connection;

/// Adds one.
#[activity]
async fn add_one(n: u32) -> u32 {
    n + 1
}

/// Adds two.
#[orchestrator]
async fn add_two(n: u32) -> u32 {
    add_one(add_one(n).await).await
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("test.db").display())
}

async fn refused(path: &Path) -> RuntimeError {
    match SqliteStore::open(path, Synchronous::Full).await {
        Ok(_) => panic!("{} is opened", path.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_person_can_read_the_history() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(&url(folder.path())).await?;
    assert_eq!(runtime.start(add_two(40)).id("answer").await?.result().await?, 42);
    runtime.shutdown().await?;
    let database = Connection::open(folder.path().join("test.db"))?;
    let types: Vec<String> = database
        .prepare("SELECT type FROM history WHERE id = 'answer'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let expected = ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"];
    assert_eq!(types, expected);
    let detail: String = database.query_row(
        "SELECT detail FROM history WHERE id = 'answer' AND turn = 2 AND type = 'TaskScheduled'",
        [],
        |row| row.get(0),
    )?;
    let detail: serde_json::Value = serde_json::from_str(&detail)?;
    assert_eq!((&detail["name"], &detail["input"]), (&"add_one".into(), &41.into()));
    assert!(detail["at"].as_str().is_some_and(|at| at.starts_with("tests/sqlite.rs:")), "{detail}");
    Ok(())
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("test.db");
    Runtime::open(&url(folder.path())).await?.shutdown().await?;
    Connection::open(&path)?.pragma_update(None, "user_version", 99)?;
    let error = refused(&path).await;
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("newer version") && error.to_string().contains("99"), "{error}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_and_left_alone() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "these are my notes, and there are enough of them to look like a page ".repeat(20))?;
    let before = std::fs::read(&path)?;
    let error = refused(&path).await;
    assert!(error.to_string().contains("is not an SQLite database"), "{error}");
    assert_eq!(std::fs::read(&path)?, before);

    let other = folder.path().join("other.db");
    Connection::open(&other)?.execute_batch("CREATE TABLE mine (x)")?;
    let error = refused(&other).await;
    assert!(error.to_string().contains("a database of another program"), "{error}");

    let error = refused(&folder.path().join("missing").join("test.db")).await;
    assert!(error.to_string().contains("check that its folder exists"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_url_that_names_no_store_says_what_to_write() {
    for (url, hint) in [
        ("orders.db", "sqlite:orders.db"),
        ("mysql://x", "sqlite:orders.db"),
        ("sqlite:", "needs a file"),
        ("sqlite::memory:", "memory:"),
        ("sqlite:x.db?synchronous=OFF", "synchronous=FULL"),
    ] {
        let Err(error) = Runtime::open(url).await else { panic!("`{url}` was opened") };
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(error.to_string().contains(hint), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_second_worker_is_refused_and_told_who_works() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let first = Runtime::open(&url(folder.path())).await?;
    let Err(error) = Runtime::open(&url(folder.path())).await else { panic!("a second worker was let in") };
    assert!(error.is_locked(), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    assert_eq!(first.start(add_two(1)).await?.result().await?, 3, "the first one works on");
    first.shutdown().await?;
    Runtime::open(&url(folder.path())).await?.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_standby_takes_over_when_the_worker_ends() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let first = Runtime::open(&url(folder.path())).await?;
    let standby = tokio::spawn(Runtime::builder(url(folder.path())).standby(true).open());
    assert_eq!(first.start(add_two(1)).await?.result().await?, 3);
    assert!(!standby.is_finished());
    first.shutdown().await?;
    let second = standby.await??;
    assert_eq!(second.start(add_two(2)).await?.result().await?, 4);
    second.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_client_starts_asks_and_waits_beside_a_worker_and_before_one() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let client = Client::connect(&url(folder.path())).await?;
    let early = client.start(add_two(1)).id("early").await?;
    assert_eq!(early.status().await?.runtime_status(), dacapo::Status::Pending);
    assert!(client.start(add_two(1)).id("early").await.expect_err("the id is taken").is_already_exists());

    let runtime = Runtime::open(&url(folder.path())).await?;
    assert_eq!(early.result().await?, 3);
    let late = client.start(add_two(5)).id("late").await?;
    assert_eq!(late.result().await?, 7);
    assert_eq!(client.status("late").await?.output().map(dacapo::Payload::as_str), Some("7"));
    assert!(client.status("nobody").await.expect_err("there is nobody").is_not_found());
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn programs_that_open_a_new_database_at_once_agree_on_it() -> dacapo::Result<()> {
    for _ in 0..50 {
        let folder = tempfile::tempdir()?;
        let url = url(folder.path());
        let programs = (0..8).map(|n| {
            let url = url.clone();
            tokio::spawn(async move { Client::connect(&url).await?.start(add_two(n)).await })
        });
        for started in futures::future::join_all(programs).await {
            started??;
        }
    }
    Ok(())
}

/// Runs in a process that may write files of a few blocks only.
#[test]
fn child_with_a_full_disk() {
    let Ok(path) = std::env::var("DACAPO_FULL_DISK") else { return };
    let executor = tokio::runtime::Runtime::new().expect("an executor");
    executor.block_on(async move {
        let runtime = Runtime::open(&path).await.expect("there is room for the empty database");
        let mut started = 0;
        let error = loop {
            match runtime.start(add_two(started)).id(format!("order-{started}")).await {
                Ok(_) => started += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains("could not write to the database"), "{error}");
        println!("started {started} then: {error}");
    });
}

#[test]
fn a_full_disk_refuses_starts_with_a_clear_error_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let this = std::env::current_exe().expect("the test knows itself");
    let limited = "trap '' XFSZ; ulimit -f 600; exec \"$0\" --exact child_with_a_full_disk --nocapture";
    let output = Command::new("sh").arg("-c").arg(limited).arg(this).env("DACAPO_FULL_DISK", url(folder.path())).output();
    let output = output.expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let started: u32 = text
        .lines()
        .find_map(|line| line.split_once("started ")?.1.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("the child tells how far it came: {text}"));
    assert!(started > 0);

    // With room again, everything that was answered is there and is finished.
    let executor = tokio::runtime::Runtime::new().expect("an executor");
    executor.block_on(async {
        let runtime = Runtime::open(&url(folder.path())).await.expect("the database is whole");
        for n in 0..started {
            let result = runtime.attach(add_two, format!("order-{n}")).result().await;
            assert_eq!(result, Ok(n + 2));
        }
        runtime.shutdown().await.expect("it closes");
    });
}
