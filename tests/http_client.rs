//! The examples that serve, driven by a Python program that was written for Azure Durable Functions.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A served example; it is killed when it is dropped.
struct Served {
    process: Child,
    host: String,
    folder: tempfile::TempDir,
}

impl Served {
    fn start(example: &str, arguments: impl Fn(&Path) -> Vec<String>) -> Self {
        let test = std::env::current_exe().expect("the path of this test");
        let program = test.ancestors().nth(2).expect("a target folder").join("examples").join(example);
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(&program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:served.db"]).args(arguments(folder.path()));
        let started = command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let hint = "`cargo test` builds it, or `cargo build --examples`";
        let mut process = started.unwrap_or_else(|error| panic!("`{}`: {error}; {hint}", program.display()));
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("it says where it listens");
        let host = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Self { process, host, folder }
    }

    /// Runs the client and gives what it prints.
    fn client(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable_functions_client.py");
        let [what, rest @ ..] = arguments else { panic!("nothing to do") };
        let output = Command::new("python3").arg(script).args([what, self.host.as_str()]).args(rest).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The gate has Python; who only runs the tests may not.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        eprintln!("left out: there is no python3");
    }
    found
}

#[test]
fn fan_out_is_started_and_polled() {
    if !has_python() {
        return;
    }
    let server = Served::start("fan_out_fan_in", |_| Vec::new());
    let five: Vec<_> = (1..=5).map(|number| format!("item {number} processed")).collect();
    let printed = server.client(&["start", "/api/start-fanout"]);
    assert_eq!(serde_json::from_str::<Vec<String>>(&printed).expect("a list"), five);
    assert_eq!(server.client(&["start", "/api/start-fanout", r#"["ä"]"#]), r#"["\u00e4 processed"]"#);
    assert_eq!(server.client(&["manage", "fan_out_fan_in_orchestrator", "[]"]), "managed");
}

#[test]
fn a_backup_is_started_with_a_directory_and_gives_its_bytes() {
    if !has_python() {
        return;
    }
    let server = Served::start("backup", |folder| vec!["--destination".to_owned(), folder.join("copies").display().to_string()]);
    let site: PathBuf = server.folder.path().join("site");
    std::fs::create_dir_all(site.join("images")).expect("a folder");
    std::fs::write(site.join("index.html"), "<html></html>").expect("a file");
    std::fs::write(site.join("images/a.png"), [0; 1000]).expect("a file");
    let directory = serde_json::to_string(&site).expect("a path");
    let path = "/runtime/webhooks/durabletask/orchestrators/E2_BackupSiteContent";
    assert_eq!(server.client(&["start", path, &directory]), "1013");
    let site = site.canonicalize().expect("a path");
    let copied = server.folder.path().join("copies").join(site.strip_prefix("/").expect("it is absolute"));
    assert_eq!(std::fs::read(copied.join("images/a.png")).expect("a copy"), [0; 1000]);
}
