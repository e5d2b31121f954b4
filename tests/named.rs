//! Orchestrations started, signalled and waited for by name and JSON, in the worker's process and from another.

use dacapo::store::RegisteredKind;
use dacapo::{Client, ErrorKind, Event, ReuseId, Runtime, Status, orchestrator};
use serde_json::json;

const GO: Event<u32> = Event::new("go");

#[orchestrator(version = 3)]
async fn total(item: String, count: u32) -> u32 {
    GO.wait().await * count * u32::try_from(item.len()).unwrap_or(0)
}

#[orchestrator]
async fn refuses(why: String) -> dacapo::Result<()> {
    Err(dacapo::Error::msg(why))
}

#[orchestrator(name = "twice")]
async fn lower(n: u32) -> u32 {
    n
}

#[orchestrator(name = "Twice")]
async fn upper(n: u32) -> u32 {
    2 * n
}

/// A worker, and a client as another process has one.
async fn both() -> dacapo::Result<(tempfile::TempDir, Runtime, Client)> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let runtime = Runtime::open(&url).await?;
    let client = Client::connect(&format!("{url}?mode=rw")).await?;
    Ok((folder, runtime, client))
}

#[tokio::test]
async fn a_run_is_driven_by_name_and_json_from_both_sides() -> dacapo::Result<()> {
    let (_folder, runtime, outside) = both().await?;
    for (client, id) in [(runtime.client(), "inside"), (outside, "outside")] {
        let request = client.start_named("TOTAL", json!({ "item": "lamp", "count": 5 })).id(id).tag("from", id).version(3);
        let run = request.await?;
        assert_eq!(run.id(), id);
        client.raise_named(id, "go", 2).await?;
        assert_eq!(run.result().await?.as_str(), "40");
        assert_eq!(client.attach_named(id).result().await?.as_str(), "40");
        let ended = client.wait(id).await?;
        assert_eq!((ended.name(), ended.version(), ended.runtime_status()), ("total", 3, Status::Completed));
        assert_eq!(ended.output().map(|output| output.as_str()), Some("40"));
        assert_eq!(ended.tags()["from"], id);
        let again = client.start_named("total", json!({})).id(id).reuse_id(ReuseId::UseExisting);
        assert_eq!(again.await?.id(), id, "the options of a start are there");

        let failed = client.start_named("refuses", "sold out").await?;
        assert_eq!(failed.result().await.map_err(|failure| failure.message().to_owned()).err().as_deref(), Some("sold out"));
        let failed = client.wait(failed.id()).await?;
        assert!(failed.failure().is_some_and(|failure| failure.message() == "sold out"), "{failed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_name_in_other_letters_is_taken_only_where_it_is_clear() -> dacapo::Result<()> {
    let (_folder, runtime, outside) = both().await?;
    for client in [runtime.client(), outside] {
        for (name, output) in [("twice", "4"), ("Twice", "8")] {
            assert_eq!(client.start_named(name, 4).await?.result().await?.as_str(), output);
        }
        let refused = client.start_named("TWICE", 4).await.expect_err("it is refused");
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn what_no_worker_has_is_refused_at_the_start() -> dacapo::Result<()> {
    let (_folder, runtime, outside) = both().await?;
    for client in [runtime.client(), outside] {
        let unknown = client.start_named("totl", json!({})).id("x").await.expect_err("it is refused");
        assert_eq!(unknown.kind(), ErrorKind::Invalid);
        assert_eq!(
            unknown.to_string(),
            "no orchestrator named `totl` is registered with the worker; registered: Twice, refuses, total, twice"
        );
        let older = client.start_named("total", json!({})).id("x").version(2).await.expect_err("it is refused");
        assert_eq!(older.to_string(), "new runs of `total` have version 3, not 2; ask for that, or leave the version out");
        assert!(client.status("x").await.expect_err("it is refused").is_not_found(), "nothing was started");
        let map = std::collections::HashMap::from([((1, 2), 3)]);
        assert_eq!(client.start_named("total", &map).await.expect_err("it is refused").kind(), ErrorKind::Invalid);
        assert_eq!(client.raise_named("x", "go", &map).await.expect_err("it is refused").kind(), ErrorKind::Invalid);
        assert!(client.raise_named("x", "go", 1).await.expect_err("it is refused").is_not_found());
        assert!(client.wait("x").await.expect_err("it is refused").is_not_found());
    }
    Ok(())
}

#[tokio::test]
async fn before_the_first_worker_a_version_must_be_said() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("test.db");
    let url = format!("sqlite:{}", path.display());
    let missing = Client::connect(&format!("{url}?mode=rw")).await.map(drop).expect_err("it is refused");
    assert!(missing.is_not_found() && missing.to_string().starts_with("there is no database `"), "{missing}");
    assert!(!path.exists(), "asking makes none");

    let client = Client::connect(&url).await?;
    assert_eq!(client.registered().await?, []);
    let unsaid = client.start_named("total", json!({})).await.expect_err("it is refused");
    assert!(unsaid.to_string().starts_with("no worker has opened this store yet"), "{unsaid}");
    let run = client.start_named("total", json!({ "item": "a", "count": 1 })).version(3).await?;
    client.raise_named(run.id(), "go", 7).await?;
    let runtime = Runtime::open(&url).await?;
    assert_eq!(run.result().await?.as_str(), "7");

    let names = |kind| move |found: &dacapo::store::Registered| (found.kind == kind).then(|| (found.name.clone(), found.version));
    let mut orchestrators: Vec<_> = client.registered().await?.iter().filter_map(names(RegisteredKind::Orchestrator)).collect();
    orchestrators.sort();
    let expected = [("Twice", 1), ("refuses", 1), ("total", 3), ("twice", 1)].map(|(name, version)| (name.to_owned(), version));
    assert_eq!(orchestrators, expected);
    assert_eq!(runtime.client().registered().await?.len(), orchestrators.len());

    runtime.shutdown().await?;
    let _smaller = Runtime::builder(&url).only_registered().register(refuses).open().await?;
    assert_eq!(client.registered().await?.len(), 1, "what the last worker has is all there is");
    assert_eq!(client.start_named("twice", 1).await.expect_err("it is refused").kind(), ErrorKind::Invalid);
    Ok(())
}
