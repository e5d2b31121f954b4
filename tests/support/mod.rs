//! What tests of killed processes share: a process that ends with its test, and what it left in the database.

#[allow(dead_code, reason = "not every test runs an example")]
pub(crate) mod programs;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dacapo::store::{Event, Turn};
use dacapo::{Client, Payload};

/// A child process. It is killed with SIGKILL, when it is dropped at the latest.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    /// Waits until `reached` says so, or the process ends. The answer is whether it still runs.
    pub(crate) fn run_until(&mut self, what: &str, mut reached: impl FnMut() -> bool) -> bool {
        let begun = Instant::now();
        while !reached() {
            if self.0.try_wait().expect("a child can be asked").is_some() {
                return false;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "a minute, and not yet: {what}");
            std::thread::sleep(Duration::from_micros(500));
        }
        true
    }

    #[allow(dead_code, reason = "not every test asks")]
    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child can be asked").is_some()
    }

    /// Kills it and returns when it is gone; whether it has been alive until then.
    pub(crate) fn kill(mut self) -> bool {
        self.0.kill().expect("a child can be killed");
        self.0.wait().expect("a child can be waited for").code().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[allow(dead_code, reason = "not every test runs an example")]
/// An example as the program it is, with `folder` as its working directory.
pub(crate) fn example(name: &str, folder: &Path) -> Command {
    let test = std::env::current_exe().expect("the path of this test");
    let program = test.ancestors().nth(2).expect("a target folder").join("examples").join(name);
    let shown = program.display();
    assert!(program.exists(), "`{shown}` is missing; `cargo test` builds it, or `cargo build --example {name}`");
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// The history in a database, read from a copy, so that what a crash left there stays for the next process to recover.
pub(crate) fn history(database: &Path, id: &str) -> Vec<Turn> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let beside = |path: &Path| format!("{}{suffix}", path.display());
        if Path::new(&beside(database)).exists() {
            std::fs::copy(beside(database), beside(&copy)).expect("the database can be copied");
        }
    }
    block_on(async {
        let client = Client::connect(&format!("sqlite:{}", copy.display())).await?;
        match client.history(id).await {
            Ok(history) => Ok(history),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    })
    .expect("the history can be read")
}

#[allow(dead_code, reason = "not every test asks")]
/// The inputs and results of the activities of one name that are recorded as completed, in the order of their calls.
pub(crate) fn completed(history: &[Turn], name: &str) -> Vec<(Payload, Payload)> {
    let events = || history.iter().flat_map(|turn| &turn.events);
    let calls = events().filter_map(|event| match event {
        Event::TaskScheduled { id, name: called, input, .. } if called == name => Some((*id, input)),
        _ => None,
    });
    let results: std::collections::HashMap<_, _> = events()
        .filter_map(|event| match event {
            Event::TaskCompleted { id, result } => Some((*id, result)),
            _ => None,
        })
        .collect();
    calls.filter_map(|(id, input)| Some((input.clone(), (*results.get(&id)?).clone()))).collect()
}

/// Runs a future to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor").block_on(future)
}
