//! Recorded histories, replayed against the current code.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::kernel::engine::execution::Execution;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::registry::Registry;
use crate::store::{Event, Turn};
use crate::testing::driver::Stuck;

/// One history as a file has it.
#[derive(Serialize, Deserialize)]
struct History {
    orchestrator: String,
    instance: String,
    history: Vec<Turn>,
}

/// Writes the history of an orchestration into a folder, for [`replay_dir`]: one JSON file, named after the instance.
///
/// The inputs and results of its activities are in it: look at what it holds before it goes into a repository.
///
/// # Errors
/// When there is no such orchestration, or the file cannot be written.
///
/// ```no_run
/// # async fn example() -> dacapo::Result<()> {
/// let client = dacapo::Client::connect("sqlite:orders.db").await?;
/// dacapo::testing::record(&client, "order-42", "tests/histories").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// This function is not cancel safe: when its future is dropped before it completes, the file may be there or not.
pub async fn record(client: &Client, id: &str, folder: impl AsRef<Path>) -> Result<PathBuf, RuntimeError> {
    let name = client.status(id).await?.name().to_owned();
    write(folder.as_ref(), &name, id, client.history(id).await?)
}

pub(super) fn write(folder: &Path, orchestrator: &str, id: &str, history: Vec<Turn>) -> Result<PathBuf, RuntimeError> {
    let file = History { orchestrator: orchestrator.to_owned(), instance: id.to_owned(), history };
    let path = folder.join(file_name(id));
    let written = serde_json::to_vec_pretty(&file)
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)));
    written.map_err(|error| {
        RuntimeError::new(
            ErrorKind::Store,
            format!("the history of `{id}` could not be written to `{}`: {error}", path.display()),
        )
    })?;
    Ok(path)
}

/// What every file system takes, another one for every id.
fn file_name(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text = |c: char| {
        if plain(c) {
            return c.to_string();
        }
        c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect()
    };
    id.chars().map(text).collect::<String>() + ".json"
}

/// Replays every history recorded in a folder against the current code, and gives their number: the test that tells, before a
/// deploy, whether instances under way can go on.
///
/// The files are those of [`record`] and [`Run::record`](crate::testing::Run::record), one for each instance. What is compared is what
/// the runtime compares when it takes an instance up; what an orchestrator returns may change.
///
/// # Panics
/// With a report for each file that does not match, cannot be read, or whose orchestrator is not in this binary; and when there is no
/// file at all.
///
/// ```no_run
/// // tests/histories.rs
/// #[test]
/// fn instances_under_way_can_go_on() {
///     dacapo::testing::replay_dir("tests/histories");
/// }
/// ```
#[track_caller]
pub fn replay_dir(folder: impl AsRef<Path>) -> usize {
    match check(folder.as_ref()) {
        Ok(number) => number,
        Err(report) => panic!("{report}"),
    }
}

fn check(folder: &Path) -> Result<usize, Stuck> {
    let shown = folder.display();
    let how = format!("record one with `dacapo::testing::record(&client, id, \"{shown}\")` or `run.record(\"{shown}\")`");
    let entries = std::fs::read_dir(folder).map_err(|error| format!("the folder `{shown}` cannot be read: {error}; {how}"))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    if files.is_empty() {
        return Err(format!("the folder `{shown}` holds no history to check; {how}"));
    }
    let registry = Registry::collect(true, &[], &[]).map_err(|error| error.to_string())?;
    let problems: Vec<_> = files.iter().filter_map(|path| check_file(path, &registry).err()).collect();
    if problems.is_empty() {
        return Ok(files.len());
    }
    let (wrong, all) = (problems.len(), files.len());
    Err(format!("{wrong} of {all} recorded histories do not match the current code\n\n{}", problems.join("\n\n")))
}

fn check_file(path: &Path, registry: &Registry) -> Result<(), Stuck> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    let History { orchestrator, instance, history } = serde_json::from_slice(&text).map_err(|error| {
        format!("`{shown}` is not a recorded history: {error}\n  it is written by `dacapo::testing::record`; record it again, or remove it")
    })?;
    replay(registry, &instance, history, false)
        .map(drop)
        .map_err(|report| format!("`{shown}`, a run of `{orchestrator}`: {report}"))
}

/// Plays a history against the code of this binary; the report when it does something else. A `strict` replay finds what depends on the
/// order of a hash map or set, which a worker does not mind.
pub(super) fn replay(registry: &Registry, id: &str, history: Vec<Turn>, strict: bool) -> Result<Execution, Stuck> {
    let Some((name, version)) = history.first().and_then(Turn::started) else {
        return Err("it has no start; record it again, or remove it".to_owned());
    };
    let Some(orchestrator) = registry.version(name, version) else {
        let why = registry.not_registered(name, version);
        return Err(format!(
            "{why}\n  instances of it would be parked; put it back under this name and version, or remove the file when no instance is left"
        ));
    };
    let execution = Execution::new(*orchestrator, id.into(), Box::new(|| {}));
    let mut execution = if strict { execution.strict() } else { execution };
    // It may have been asked for and not have run its first turn; then it has decided nothing yet.
    let is_fresh = matches!(&history[..], [turn] if matches!(turn.events.last(), Some(Event::ExecutionStarted { .. })));
    let replayed = execution.replay(history);
    if let Some(report) = execution.undecodable() {
        return Err(report);
    }
    match replayed {
        Ok(()) => Ok(execution),
        Err(_) if is_fresh => Ok(execution),
        Err(mismatch) => {
            let mut report = String::new();
            let _ = mismatch.difference(&mut report);
            Err(report)
        }
    }
}
