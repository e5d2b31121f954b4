//! A database is the file it is, not the path it is spelled by.

#[path = "support/wait.rs"]
mod wait;

use std::path::Path;
use std::time::Duration;

use dacapo::{Client, ErrorKind, Event, Runtime, RuntimeError, activity, orchestrator};
use rusqlite::Connection;
use wait::in_time;

const GO: Event<u32> = Event::new("go");

#[activity]
async fn add_one(n: u32) -> u32 {
    n + 1
}

#[orchestrator]
async fn add_two(n: u32) -> u32 {
    add_one(add_one(n).await).await
}

#[orchestrator]
async fn waits() -> u32 {
    GO.wait().await
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

async fn refused(path: &Path) -> RuntimeError {
    match Runtime::open(&url(path)).await {
        Ok(_) => panic!("{} is opened", path.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_symbolic_link_is_the_database_it_leads_to() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, link) = (folder.path().join("orders.db"), folder.path().join("elsewhere").join("link.db"));
    std::fs::create_dir(folder.path().join("elsewhere"))?;
    std::os::unix::fs::symlink(&file, &link)?;
    // Also one that leads to nothing yet.
    let runtime = Runtime::open(&url(&link)).await?;
    assert!(file.exists());
    assert!(refused(&file).await.is_locked());
    assert!(refused(&link).await.is_locked());
    let run = runtime.start(waits()).id("w").await?;
    let client = Client::connect(&url(&link)).await?;
    client.raise("w", GO, 1).await?;
    assert_eq!(in_time("the client is heard", run.result()).await?, 1);
    assert_eq!(std::fs::read_dir(folder.path().join("elsewhere"))?.count(), 1, "nothing is kept beside the link");
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_second_name_of_a_database_is_refused() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, second) = (folder.path().join("orders.db"), folder.path().join("second.db"));
    let runtime = Runtime::open(&url(&file)).await?;
    std::fs::hard_link(&file, &second)?;
    let error = refused(&second).await;
    assert!(error.is_locked(), "{error}");
    assert!(error.to_string().contains("orders.db"), "{error}");
    let Err(error) = Client::connect(&url(&second)).await else { panic!("a client is let in") };
    assert!(error.is_locked(), "{error}");
    runtime.shutdown().await?;

    for name in [&file, &second] {
        let error = refused(name).await;
        assert!(error.to_string().contains("hard link"), "{error}");
    }
    std::fs::remove_file(&second)?;
    Runtime::open(&url(&file)).await?.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_uri_of_sqlite_is_refused_and_the_right_spelling_is_named() {
    for (wrong, right) in [("sqlite:file:x.db", "`sqlite:x.db`"), ("sqlite:file:///tmp/x.db?mode=ro", "`sqlite:/tmp/x.db`")] {
        let Err(error) = Runtime::open(wrong).await else { panic!("`{wrong}` was opened") };
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(right), "{error}");
    }
}

/// The one test of this process that has relative paths.
#[tokio::test]
async fn a_relative_path_stays_the_one_it_was_when_it_was_opened() -> dacapo::Result<()> {
    let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::env::set_current_dir(there.path())?;
    let runtime = Runtime::open("sqlite:same.db").await?;
    runtime.start(add_two(100)).id("one").await?.result().await?;
    runtime.shutdown().await?;

    std::env::set_current_dir(here.path())?;
    let runtime = Runtime::open("sqlite:same.db").await?;
    let client = Client::connect("sqlite:same.db").await?;
    let run = runtime.start(add_two(1)).id("one").await?;
    std::env::set_current_dir(there.path())?;
    assert_eq!(run.result().await?, 3);
    // More readers than there were.
    let asked = (0..32).map(|_| client.attach(add_two, "one"));
    let results = futures::future::join_all(asked.map(|run| async move { run.result().await })).await;
    assert!(results.iter().all(|result| *result == Ok(3)), "{results:?}");
    client.start(add_two(5)).id("two").await?;
    assert_eq!(in_time("the worker hears of it", client.attach(add_two, "two").result()).await?, 7);
    runtime.shutdown().await?;
    assert_eq!(
        Connection::open(there.path().join("same.db"))?.query_row("SELECT count(*) FROM instance", [], |row| row.get(0)),
        Ok(1)
    );
    Ok(())
}

fn is_told(error: &RuntimeError) -> bool {
    let text = error.to_string();
    text.contains("removed or replaced") && text.contains("orders.db")
}

#[tokio::test]
async fn a_database_that_is_removed_under_a_worker_is_noticed() -> dacapo::Result<()> {
    for replaced in [false, true] {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("orders.db");
        let other = folder.path().join("other.db");
        Runtime::open(&url(&other)).await?.shutdown().await?;
        let runtime = Runtime::open(&url(&file)).await?;
        let run = runtime.start(waits()).id("w").await?;
        let client = Client::connect(&url(&file)).await?;
        let idle = (tokio::spawn(async move { run.result().await }), client.attach(waits, "w"));
        let waiting = tokio::spawn(async move { idle.1.result().await });
        tokio::task::yield_now().await;
        if replaced {
            std::fs::rename(&other, &file)?
        } else {
            std::fs::remove_file(&file)?
        }

        // Nobody writes, and all who wait are told.
        let failure = in_time("who waits in the worker is told", idle.0).await?.expect_err("there is nothing more");
        assert!(failure.to_string().contains("removed or replaced"), "{failure}");
        let failure = in_time("who waits in a client is told", waiting).await?.expect_err("there is nothing more");
        assert!(failure.to_string().contains("removed or replaced"), "{failure}");
        for error in [
            runtime.raise("w", GO, 1).await.expect_err("it is lost"),
            runtime.start(waits()).id("late").await.map(drop).expect_err("it is lost"),
            runtime.status("w").await.map(drop).expect_err("it is lost"),
            client.raise("w", GO, 1).await.expect_err("it is lost"),
            client.start(waits()).id("late").await.map(drop).expect_err("it is lost"),
            client.status("w").await.map(drop).expect_err("it is lost"),
            runtime.shutdown().await.expect_err("it is lost"),
        ] {
            assert!(is_told(&error), "{error}");
            assert_eq!(error.kind(), ErrorKind::Store);
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_commit_is_answered_that_went_into_a_removed_database() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.db");
    let runtime = Runtime::open(&url(&file)).await?;
    runtime.start(waits()).id("w").await?;
    // No other task runs between the two, so nothing was heard of it yet.
    std::fs::remove_file(&file)?;
    let error = runtime.raise("w", GO, 1).await.expect_err("it is lost");
    assert!(is_told(&error), "{error}");
    assert!(is_told(&runtime.shutdown().await.expect_err("it is lost")));

    let runtime = Runtime::open(&url(&file)).await?;
    assert!(runtime.status("w").await.is_err_and(|error| error.is_not_found()));
    std::fs::remove_file(&file)?;
    assert!(is_told(&runtime.shutdown().await.expect_err("a shutdown, too, looks")));
    Ok(())
}

#[tokio::test]
async fn a_client_connects_and_reads_while_another_program_holds_the_write_lock() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.db");
    let runtime = Runtime::open(&url(&file)).await?;
    runtime.start(add_two(1)).id("one").await?.result().await?;
    let other = Connection::open(&file)?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let reads = async {
        for _ in 0..3 {
            let client = Client::connect(&url(&file)).await?;
            assert_eq!(client.attach(add_two, "one").result().await?, 3);
            assert_eq!(client.query().await?.instances().len(), 1);
            client.counts().await?;
            client.census().await?;
            client.history("one").await?;
        }
        dacapo::Result::<()>::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(5), reads).await.expect("nobody waits for the lock")?;
    other.execute_batch("ROLLBACK")?;
    runtime.shutdown().await?;
    Ok(())
}

/// Where the descriptors of this process lead.
fn descriptors() -> Vec<String> {
    let all = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    all.filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.display().to_string())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_few_and_clients_share_a_watcher() -> dacapo::Result<()> {
    if !Path::new("/proc/self/fd").exists() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.db");
    let runtime = Runtime::open(&url(&file)).await?;
    runtime.start(add_two(1)).id("one").await?.result().await?;
    let asked = (0..500).map(|_| {
        let client = runtime.client();
        tokio::spawn(async move { client.history("one").await })
    });
    for asked in futures::future::join_all(asked).await {
        asked??;
    }
    let name = file.display().to_string();
    let open = descriptors().iter().filter(|path| **path == name).count();
    assert!(open <= 6, "{open} connections to one database");

    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::connect(&url(&file)).await?);
    }
    let watchers = descriptors().iter().filter(|path| path.contains("inotify")).count();
    assert!(watchers <= 1, "{watchers} watchers");
    runtime.shutdown().await?;
    Ok(())
}
