//! The tool as people use it: the binary, on a database that a worker of another process has open.

mod export;
mod inspect;
mod manage;
mod run;
mod values;
#[path = "../../../tests/support/wait.rs"]
mod wait;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use dacapo::{Event, Retry, Runtime, activity, entity, orchestrator};
use serde_json::Value;
use tempfile::TempDir;

const GO: Event<u32> = Event::new("go");

/// JSON that is legal and changes when a type is put in its place: too large, no text, twice the same key, keys out of order.
const ODD_VALUES: [&str; 4] = [
    "1e400",
    r#""\ud800""#,
    "12345678901234567890.123456789012345678901",
    r#"{"b":1,"a":{"z":2,"y":3},"b":18446744073709551616}"#,
];

#[activity]
async fn step(n: u32) -> u32 {
    n + 1
}

#[activity(retry = Retry::fixed(Duration::from_millis(40)).max_attempts(3))]
async fn flaky(n: u32) -> dacapo::Result<u32> {
    if dacapo::activity::attempt() < 3 { Err(dacapo::Error::msg("not yet")) } else { Ok(n) }
}

/// Fails until a file is there.
#[activity]
async fn needs(file: String) -> dacapo::Result<String> {
    std::fs::read_to_string(&file).map_err(|error| dacapo::Error::msg(format!("{file}: {error}")))
}

#[orchestrator(version = 2)]
async fn sum(a: u32, b: u32) -> u32 {
    step(a).await + step(b).await
}

#[orchestrator]
async fn waits(n: u32) -> u32 {
    dacapo::set_custom_status(&"waiting for go");
    n * GO.wait().await
}

#[orchestrator]
async fn reads(file: String) -> dacapo::Result<String> {
    needs(file).await
}

#[orchestrator]
async fn either(one: String, other: String) -> dacapo::Result<String> {
    match needs(one).await {
        Ok(text) => Ok(text),
        Err(_) => needs(other).await,
    }
}

/// Something of everything.
#[orchestrator]
async fn varied(n: u32) -> dacapo::Result<u32> {
    let steps = dacapo::fan_out(0..n, step).await;
    let flaky = flaky(steps.len() as u32).await?;
    dacapo::sleep(Duration::from_millis(10)).await;
    let child = sum(flaky, 1).id(format!("{}-child", dacapo::instance_id())).await;
    Ok(child + GO.wait().await)
}

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

/// A database, a worker that has it open, and the tool in a process of its own.
struct Place {
    folder: TempDir,
    runtime: Runtime,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = Runtime::open(&url(&folder)).await.expect("it opens");
        Self { folder, runtime }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs the tool while the worker goes on.
    async fn tool(&self, arguments: &[&str]) -> Said {
        tool(&url(&self.folder), arguments, "").await
    }

    /// The answer to a question in JSON, which is answered well.
    async fn json(&self, arguments: &[&str]) -> Value {
        let said = self.tool(&[&["--json"], arguments].concat()).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said:?}"))
    }

    /// The answer for people to a question that is answered well.
    async fn text(&self, arguments: &[&str]) -> String {
        let said = self.tool(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        assert!(!said.out.contains('\u{1b}'), "no colours where there is no terminal: {said:?}");
        said.out
    }

    /// What is said when something is not done, and the exit code.
    async fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let said = self.tool(arguments).await;
        assert_ne!(said.code, 0, "{arguments:?}: {said:?}");
        (said.code, said.err)
    }
}

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("test.db").display())
}

#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

const TOOL: &str = env!("CARGO_BIN_EXE_dacapo");

async fn tool(store: &str, arguments: &[&str], input: &str) -> Said {
    let mut command = Command::new(TOOL);
    command.args(arguments).env("DACAPO_STORE", store).env_remove("CLICOLOR_FORCE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool is built");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads its input");
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it ends in time");
    let Output { status, stdout, stderr } = output.expect("nothing panics").expect("it can be waited for");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    Said { code: status.code().expect("nobody killed it"), out: text(stdout), err: text(stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_store_is_named_and_none_is_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = tool(&url(&folder), &["list"], "").await;
    assert_eq!(missing.code, 1);
    assert!(missing.err.starts_with("error: there is no database `"), "{missing:?}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0, "asking makes nothing");

    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "this is no database, but it is long enough to be looked at as one").expect("it is written");
    for (store, expected) in [
        ("", "error: no store was named; say which with `--store sqlite:orders.db`, or set DACAPO_STORE to it"),
        ("memory:", "error: a store in memory belongs to its process"),
        ("orders.db", "error: `orders.db` names no store"),
        (&format!("sqlite:{}", text.display()), "is not an SQLite database"),
    ] {
        let said = tool(store, &["census"], "").await;
        assert_eq!(said.code, 1, "{store}: {said:?}");
        assert!(said.err.contains(expected), "{store}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_store_is_not_made_into_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    // An SQLite database of one page, in which there is nothing.
    let mut blank = vec![0; 4096];
    blank[..24].copy_from_slice(b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20");
    (blank[31], blank[100]) = (1, 13);
    blank[105] = 16;
    for (name, content) in [("empty.db", Vec::new()), ("blank.db", blank)] {
        std::fs::write(path(name), &content).expect("it is written");
        let said = tool(&format!("sqlite:{}", path(name)), &["list"], "").await;
        assert!(said.code == 1 && said.err.contains("is an empty database, not a Dacapo store"), "{name}: {said:?}");
        assert_eq!(std::fs::read(path(name)).expect("it is there"), content, "{name} is left as it is");
    }
    for store in [path("mode=y.db"), format!("{}?mode=rwc", path("x.db")), format!("//{}", path("x.db"))] {
        let said = tool(&format!("sqlite:{store}"), &["list"], "").await;
        assert!(said.code == 1 && said.err.starts_with("error: there is no database `"), "{store}: {said:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 2, "asking makes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_scripts_of_their_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tool("", &["completions", shell], "").await;
        assert_eq!(script.code, 0, "{script:?}");
        for word in ["census", "rewind", "svg", "created-from"] {
            assert!(script.out.contains(word), "{shell} does not complete {word}");
        }
    }
    let full = tokio::process::Command::new("bash").args(["-c", &format!("{TOOL} completions bash >/dev/full")]).output().await;
    let full = full.expect("there is a bash");
    assert_eq!((full.status.code(), full.stderr.starts_with(b"error: could not write")), (Some(1), true), "{full:?}");
    let script = tool("", &["completions", "bash"], "").await.out;
    let completed = "COMP_WORDS=(dacapo ce); COMP_CWORD=1; _dacapo dacapo ce dacapo; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", &format!("{script}\n{completed}")]).output().expect("there is a bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "census", "{output:?}");
}
