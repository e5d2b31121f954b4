//! `export`.

use std::collections::BTreeMap;
use std::path::Path;

use dacapo::Client;
use dacapo::store::{SqliteStore, Synchronous};
use serde_json::value::RawValue;
use serde_json::{Value, from_str, json};

use crate::{ODD_VALUES, Place, sum, tool, url, waits};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_run_is_exported_with_its_history() -> dacapo::Result<()> {
    let place = Place::new().await;
    for n in 0..20 {
        place.runtime.start(sum(n, 1)).id(format!("sum-{n}")).tag("n", n.to_string()).await?.result().await?;
    }
    place.runtime.start(waits(1)).id("waiting").await?;
    let all = lines(&place.text(&["export"]).await);
    assert_eq!(all.len(), 21);
    let last = all.iter().find(|run| run["instanceId"] == "sum-19").expect("it is there");
    assert_eq!((&last["output"], &last["input"]["a"], &last["tags"]["n"]), (&json!(22), &json!(19), &json!("19")));
    let events = last["history"].as_array().expect("turns").iter().flat_map(|turn| turn["events"].as_array().expect("events"));
    let names: Vec<_> = events.flat_map(|event| event.as_object().expect("an event").keys().cloned()).collect();
    assert_eq!(
        names,
        ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"]
    );

    let file = place.file("runs.jsonl");
    assert_eq!(place.text(&["export", "--status", "completed", "--output", &file]).await, format!("20 exported to {file}\n"));
    assert_eq!(lines(&std::fs::read_to_string(&file)?).len(), 20);
    assert!(!Path::new(&format!("{file}.part")).exists());
    let (code, said) = place.refused(&["export", "-o", "/nowhere/at/all"]).await;
    assert!(code == 1 && said.starts_with("error: could not write to `/nowhere/at/all`: No such file"), "{said}");
    Ok(())
}

/// Runs are started, end and are purged while they are exported: each line is whole, and what stays is there.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_while_the_worker_does() -> dacapo::Result<()> {
    let place = Place::new().await;
    for n in 0..200 {
        place.runtime.start(sum(n, 1)).id(format!("old-{n}")).await?.result().await?;
    }
    let client: Client = place.runtime.client();
    let busy = tokio::spawn(async move {
        for n in 0_u32.. {
            let id = format!("new-{n}");
            let Ok(run) = client.start(sum(n, 1)).id(&id).await else { break };
            if run.result().await.is_err() || client.purge(id).await.is_err() {
                break;
            }
        }
    });
    for _ in 0..3 {
        let all = lines(&place.text(&["export"]).await);
        let old = all.iter().filter(|run| run["instanceId"].as_str().is_some_and(|id| id.starts_with("old-")));
        assert_eq!(old.count(), 200);
    }
    busy.abort();
    Ok(())
}

/// What serde_json's `Value` cannot hold, or not as it was, is exported as it was recorded, each run on one line.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_values_are_exported_as_they_are() -> dacapo::Result<()> {
    let place = Place::new().await;
    for value in ODD_VALUES {
        tool(&url(&place.folder), &["start", "waits", "-"], value).await;
    }
    // Deeper than a value may be, as an earlier version has stored it.
    let nested = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    place.text(&["start", "waits", "\"deep\"", "--id", "deep"]).await;
    place.tool(&["wait", "deep"]).await;
    let database = rusqlite::Connection::open(place.file("test.db"))?;
    let sql = "UPDATE turn SET events = replace(events, '\"input\":\"deep\"', '\"input\":' || ?1)";
    assert!(database.execute(sql, [&nested])? > 0);
    for arguments in [["show", "deep"], ["history", "deep"], ["census", "--json"], ["list", "--json"]] {
        place.text(&arguments).await;
    }
    place.text(&["start", "waits", "{\"a b\":\n\t[1,\r\n2]}"]).await;
    let file = place.file("runs.jsonl");
    place.text(&["export", "-o", &file]).await;
    let exported = std::fs::read_to_string(&file)?;
    assert_eq!(exported.lines().count(), ODD_VALUES.len() + 2, "{exported}");
    for value in ODD_VALUES.into_iter().chain([nested.as_str(), "{\"a b\":[1,2]}"]) {
        assert_eq!(exported.matches(&format!(r#""input":{value}"#)).count(), 2, "{value} is not in {exported}");
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_export_replaces_a_file_and_nothing_else() -> dacapo::Result<()> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let place = Place::new().await;
    place.runtime.start(sum(1, 1)).id("one").await?.result().await?;
    let (file, link, pipe) = (place.file("x"), place.file("link"), place.file("pipe"));
    std::fs::write(&file, "what was there")?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640))?;
    std::fs::write(place.file("x.part"), "somebody else's")?;
    std::os::unix::fs::symlink(&file, &link)?;
    place.text(&["export", "-o", &link]).await;
    assert!(Path::new(&link).is_symlink());
    assert_eq!(lines(&std::fs::read_to_string(&file)?).len(), 1);
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_to_string(place.file("x.part"))?, "somebody else's");

    assert!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe)
    });
    place.text(&["export", "-o", &pipe]).await;
    assert!(std::fs::metadata(&pipe)?.file_type().is_fifo());
    assert_eq!(lines(&reader.join().expect("it does not panic")?).len(), 1);
    Ok(())
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_store_is_not_written_over() -> dacapo::Result<()> {
    let Place { folder, runtime } = Place::new().await;
    runtime.start(sum(1, 1)).id("one").await?.result().await?;
    runtime.shutdown().await?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(path("folder"))?;
    for (link, file) in [("link", "test.db"), ("late", "test.db-shm"), ("folder/up", "../test.db-bell")] {
        std::os::unix::fs::symlink(file, path(link))?;
    }
    let before = std::fs::read(path("test.db"))?;
    let names = ["test.db", "test.db-wal", "test.db-shm", "test.db-journal", "test.db-bell", "test.db-worker", "test.db-running"];
    for name in names.into_iter().chain(["link", "late", "folder/up", "folder/../test.db"]) {
        for command in [vec!["export", "-o"], vec!["show", "one", "--svg"]] {
            let said = tool(&format!("sqlite://{}?mode=rw", path("link")), &[&command[..], &[&path(name)]].concat(), "").await;
            assert!(said.code == 1 && said.err.contains("is a file of the store"), "{command:?} {name}: {said:?}");
        }
    }
    assert_eq!(std::fs::read(path("test.db"))?, before);
    // From within its folder, under a name that needs none.
    let mut command = tokio::process::Command::new(crate::TOOL);
    command.args(["--store", "sqlite:test.db", "export", "-o", "./test.db"]).current_dir(folder.path());
    let output = command.output().await?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("`./test.db` is a file of the store"), "{output:?}");
    assert_eq!(tool(&url(&folder), &["export", "-o", &path("test.db.jsonl")], "").await.code, 0);
    Ok(())
}

/// A history in which a value is missing ends the export in its middle.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_fails_leaves_what_was_there() -> dacapo::Result<()> {
    let place = Place::new().await;
    place.runtime.start(crate::reads("x".repeat(100_000))).id("large").await?.result().await.expect_err("no file has this name");
    let file = place.file("x");
    std::fs::write(&file, "what was there")?;
    let emptied = rusqlite::Connection::open(place.file("test.db"))?.execute("DELETE FROM payload", [])?;
    assert!(emptied > 0);
    let before = std::fs::read_dir(place.folder.path())?.count();
    let (code, said) = place.refused(&["export", "-o", &file]).await;
    assert!(code == 1 && said.contains("is missing from the store"), "{said}");
    assert_eq!(std::fs::read_to_string(&file)?, "what was there");
    assert_eq!(std::fs::read_dir(place.folder.path())?.count(), before);
    Ok(())
}

/// Everything that an export of an earlier version had is in one of today; there may be more. Only what differs is parsed: values may be
/// deeper than serde_json goes.
#[track_caller]
fn assert_has_all_of(new: &str, old: &str, place: &str) {
    if new == old {
        return;
    }
    if let (Ok(new), Ok(old)) = (from_str::<BTreeMap<String, &RawValue>>(new), from_str::<BTreeMap<String, &RawValue>>(old)) {
        for (key, old) in old {
            assert_has_all_of(new.get(&key).map_or("nothing", |new| new.get()), old.get(), &format!("{place}/{key}"));
        }
        return;
    }
    let arrays = (from_str::<Vec<&RawValue>>(new), from_str::<Vec<&RawValue>>(old));
    let (Ok(new), Ok(old)) = arrays else { panic!("{place}: {new} is not {old}") };
    assert_eq!(new.len(), old.len(), "{place}");
    for (index, (new, old)) in new.iter().zip(old).enumerate() {
        assert_has_all_of(new.get(), old.get(), &format!("{place}/{index}"));
    }
}

/// The stores of `tests/golden`. A worker migrates a store; here only that is done.
#[tokio::test(flavor = "multi_thread")]
async fn stores_of_earlier_versions_are_exported_as_by_those() -> dacapo::Result<()> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let sets = std::fs::read_dir(golden)?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir());
    for set in sets {
        let folder = tempfile::tempdir()?;
        for (from, to) in [("plain.db", "test.db"), ("plain.db-wal", "test.db-wal")] {
            std::fs::copy(set.join(from), folder.path().join(to))?;
        }
        drop(SqliteStore::open(folder.path().join("test.db"), Synchronous::Normal).await?);
        let exported = tool(&url(&folder), &["export"], "").await;
        assert_eq!(exported.code, 0, "{exported:?}");
        let id_of = |line: &str| from_str::<BTreeMap<String, &RawValue>>(line).expect("an object")["instanceId"].to_string();
        let by_id = |text: &str| -> BTreeMap<_, _> { text.lines().map(|line| (id_of(line), line.to_owned())).collect() };
        let (new, old) = (by_id(&exported.out), by_id(&std::fs::read_to_string(set.join("plain.jsonl"))?));
        assert_eq!(new.keys().collect::<Vec<_>>(), old.keys().collect::<Vec<_>>());
        for (id, old) in &old {
            assert_has_all_of(&new[id], old, id);
        }
    }
    Ok(())
}
