//! What the writer promises when it cannot write: everybody is answered, and only what is at fault is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use rusqlite::{Connection, ffi};
use tokio::sync::oneshot;

use super::files::Files;
use super::request::Request;
use super::schema;
use super::writer::Writer;
use super::{Mode, Settings, SqliteStore, Synchronous};
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::payload::Payload;
use crate::store::{Applied, Batch, ErrorClass, NewInstance, State, Status, Store as _, Timestamp};
use crate::{Runtime, activity, orchestrator};

fn start(id: &str, text: &str) -> Batch {
    let input = Payload::encode(&text).expect("a text is JSON");
    let started =
        Event::ExecutionStarted { name: "o".into(), version: 1, input, shape: 0, parent: None, continued: None, trace: None };
    let now = Timestamp(1);
    let turn = Turn { at: now, events: vec![started] };
    let new = NewInstance {
        id: id.into(),
        name: "o".into(),
        parent: None,
        created_at: now,
        turn,
        state: State::pending(),
        tags: Default::default(),
    };
    Batch { create: Some(new), ..Batch::default() }
}

async fn soon<T>(answer: oneshot::Receiver<T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), answer).await.expect("it is answered in time").expect("it is answered")
}

fn send(apply: impl FnOnce(crate::store::Reply)) -> oneshot::Receiver<Result<Applied, RuntimeError>> {
    let (sender, answer) = oneshot::channel();
    apply(Box::new(move |result| drop(sender.send(result.map_err(|refused| refused.error)))));
    answer
}

#[tokio::test]
async fn a_writer_thread_that_has_died_answers_everybody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = Files::canonical(&folder.path().join("test.db")).expect("a folder");
    let connection = schema::open(&path, Synchronous::Full, Mode::Create).expect("it opens");
    let files = Arc::new(Files::open(path));
    // The thread dies after the first commit of a client.
    let writer = Writer::spawn(connection, files, || panic!("as a bug would")).expect("a thread");
    let first = send(|reply| writer.send(Request::new(start("one", "x"), reply)));
    let waiting: Vec<_> =
        (0..50).map(|number| send(|reply| writer.send(Request::new(start(&format!("more-{number}"), "x"), reply)))).collect();
    soon(first).await.expect("it was written");
    for answer in waiting {
        if let Err(error) = soon(answer).await {
            assert_eq!((error.kind(), error.class()), (ErrorKind::Store, ErrorClass::Fatal), "{error}");
        }
    }
    let error = soon(send(|reply| writer.send(Request::new(start("late", "x"), reply)))).await.expect_err("nobody writes");
    assert_eq!((error.kind(), error.class()), (ErrorKind::Store, ErrorClass::Fatal));
    assert!(error.to_string().contains("panicked"), "{error}");
    assert_eq!(writer.close().expect_err("something is lost").kind(), ErrorKind::Store);
}

/// SQLite says so when the disk answers a read with `EIO`.
#[tokio::test]
async fn what_looks_damaged_once_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path().join("test.db"), Synchronous::Full).await.expect("it opens");
    let damaged = |times: u32| {
        let seen = AtomicU32::new(0);
        move |_: &Connection| match seen.fetch_add(1, Ordering::Relaxed) {
            seen if seen < times => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None).into()),
            seen => Ok(seen),
        }
    };
    assert_eq!(store.read(damaged(3)).await.expect("the fourth try reads"), 3);
    let error = store.read(damaged(u32::MAX)).await.expect_err("it is damaged");
    assert_eq!((error.kind(), error.class()), (ErrorKind::Store, ErrorClass::Permanent), "{error}");
    store.close().await.expect("all is written");
}

#[tokio::test]
async fn whoever_panics_at_an_answer_leaves_the_writer_alive() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path().join("test.db"), Synchronous::Full).await.expect("it opens");
    for number in 0..3 {
        store.apply(start(&format!("panics-{number}"), "x"), Box::new(|_| panic!("as the code of a user does")));
        soon(send(|reply| store.apply(start(&format!("goes-on-{number}"), "x"), reply))).await.expect("it is written");
    }
    store.close().await.expect("all is written");
}

fn limited(folder: &std::path::Path) -> SqliteStore {
    let settings = Settings { row_limit: Some(100_000), ..Settings::default() };
    SqliteStore::open_blocking(&folder.join("test.db"), settings).expect("it opens")
}

#[tokio::test]
async fn what_is_too_large_is_refused_alone_and_with_its_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = limited(folder.path());
    let large = "x".repeat(100_000);
    let sent: Vec<_> = (0..30)
        .map(|number| {
            let text = if number % 3 == 0 { large.as_str() } else { "x" };
            send(|reply| store.apply(start(&format!("order-{number}"), text), reply))
        })
        .collect();
    for (number, answer) in join_all(sent.into_iter().map(soon)).await.into_iter().enumerate() {
        match number % 3 {
            0 => {
                let error = answer.expect_err("it is too large");
                assert_eq!((error.kind(), error.class()), (ErrorKind::TooLarge, ErrorClass::Permanent));
                assert!(error.to_string().contains("of 1000") && error.to_string().contains("at most 100000 bytes"), "{error}");
            }
            _ => drop(answer.expect("it is small")),
        }
    }
    store.close().await.expect("all is written");
}

/// The check before the transaction knows all lengths but those of ids.
#[tokio::test]
async fn an_error_of_one_batch_is_none_of_those_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = limited(folder.path());
    let long = "x".repeat(200_000);
    let sent: Vec<_> = (0..30)
        .map(|number| {
            let id = if number == 15 { long.clone() } else { format!("order-{number}") };
            send(|reply| store.apply(start(&id, "x"), reply))
        })
        .collect();
    let answers = join_all(sent.into_iter().map(soon)).await;
    let refused: Vec<_> = answers.iter().enumerate().filter(|(_, answer)| answer.is_err()).map(|(number, _)| number).collect();
    assert_eq!(refused, [15]);
    store.close().await.expect("all is written");
}

#[activity(crate = crate)]
async fn says(length: usize) -> String {
    "x".repeat(length)
}

#[orchestrator(crate = crate)]
async fn says_much() -> usize {
    let first = says(10).await;
    let calls: Vec<_> = (0..50).map(|_| repeats("x".repeat(3_000))).collect();
    first.len() + futures::future::join_all(calls).await.len()
}

#[activity(crate = crate)]
async fn repeats(text: String) -> String {
    text
}

async fn open(store: SqliteStore) -> Runtime {
    let builder = Runtime::with_store(store).only_registered().register(says_much).register(says).register(repeats);
    builder.open().await.expect("it opens")
}

#[tokio::test]
async fn a_turn_that_is_too_large_parks_its_run_with_the_size_and_the_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = open(limited(folder.path())).await;
    let run = runtime.start(says_much()).id("much").await.expect("its first turn is small");
    let parked = async {
        loop {
            let status = run.status().await.expect("it answers");
            if status.runtime_status() == Status::Suspended {
                return status.report().expect("it says why").to_owned();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(30), parked).await.expect("it is not tried for ever");
    assert!(report.contains("at most 100000 bytes") && report.contains("fan_out"), "{report}");
    runtime.start(says_much()).id("again").await.expect("others go on");
    runtime.shutdown().await.expect("it closes");

    let store = SqliteStore::open(folder.path().join("test.db"), Synchronous::Full).await.expect("it opens");
    let runtime = open(store).await;
    runtime.resume("much", "in a store that takes more").await.expect("it is parked");
    assert_eq!(runtime.attach(says_much, "much").result().await, Ok(60));
    runtime.shutdown().await.expect("it closes");
}
