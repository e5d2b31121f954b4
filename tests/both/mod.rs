//! Runs a test on the store in memory and on SQLite. What is kept outlives the runtimes of a test, as a disk does.
#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "../support/wait.rs"]
mod wait;

use std::path::PathBuf;
use std::sync::Arc;

use dacapo::store::{MemoryStore, Messages, SqliteStore, Store, Synchronous};
use dacapo::{Builder, Client, Runtime};

#[allow(unused_imports, reason = "each test uses a part of it")]
pub(crate) use wait::{in_time, reaches, reported, until};

/// What outlives a runtime.
pub(crate) enum Kept {
    Memory(MemoryStore),
    File(tempfile::TempDir),
}

impl Kept {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryStore::new())
    }

    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().expect("a folder for the test"))
    }

    /// The database, if there is a file.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Memory(_) => None,
            Self::File(folder) => Some(folder.path().join("test.db")),
        }
    }

    /// A store on what is kept, as a process that starts opens it.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        match (self, self.path()) {
            (Self::Memory(store), _) => Arc::new(store.clone()),
            (Self::File(_), path) => {
                let path = path.expect("a file has a path");
                Arc::new(SqliteStore::open(path, Synchronous::Normal).await.expect("it opens"))
            }
        }
    }

    /// The settings of a runtime on what is kept.
    pub(crate) fn runtime(&self) -> Builder {
        match (self, self.path()) {
            (Self::Memory(store), _) => Runtime::with_store(store.clone()),
            (Self::File(_), path) => {
                Runtime::builder(format!("sqlite:{}?synchronous=NORMAL", path.expect("a file has a path").display()))
            }
        }
    }

    /// A client as another process has one.
    pub(crate) async fn client(&self) -> Client {
        Client::connect_store(self.store().await).expect("it can listen")
    }

    /// Waits until so many messages wait in the inbox.
    pub(crate) async fn inbox_reaches(&self, number: usize) {
        let store = self.store().await;
        until("the inbox fills", async || store.messages(Messages::All).await.expect("it is readable").len() >= number).await;
    }
}

/// The names of the recorded events.
pub(crate) async fn events(client: &Client, id: &str) -> Vec<String> {
    let turns = client.history(id).await.expect("it is there");
    let name = |event| serde_json::to_value(event).expect("it is JSON").as_object().expect("an object").keys().next().cloned();
    turns.into_iter().flat_map(|turn| turn.events).filter_map(name).collect()
}

/// Runs each of the tests on both stores.
macro_rules! on_both_stores {
    ($($guarantee:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $guarantee() -> dacapo::Result<()> { super::$guarantee(super::Kept::memory()).await })*
        }
        mod sqlite {
            $(#[tokio::test] async fn $guarantee() -> dacapo::Result<()> { super::$guarantee(super::Kept::file()).await })*
        }
    };
}
pub(crate) use on_both_stores;
