//! A workspace on disk, and what the tool says of it.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A workspace on disk that is deleted when it goes.
pub(crate) struct Workspace {
    folder: TempDir,
    members: Vec<String>,
}

/// What the tool wrote and returned.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        Self { folder, members: Vec::new() }
    }

    /// One package, `shop`, whose library is `text`.
    pub(crate) fn of(text: &str) -> Self {
        Self::new().package("shop", "").file("shop/src/lib.rs", text)
    }

    /// A package with these lines under `[dependencies]`.
    pub(crate) fn package(mut self, name: &str, dependencies: &str) -> Self {
        self.members.push(name.to_owned());
        let members = format!("[workspace]\nmembers = {:?}\nresolver = \"3\"\n", self.members);
        let package =
            format!("[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{dependencies}\n");
        self.file("Cargo.toml", &members).file(&format!("{name}/Cargo.toml"), &package)
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        let around = path.parent().expect("a file stands in a folder");
        std::fs::create_dir_all(around).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        run(self.path(), arguments)
    }

    /// The findings, as JSON; the tool must have done its work.
    pub(crate) fn findings(&self) -> Vec<Value> {
        let outcome = self.run(&["check", "--format", "json"]);
        let report: Value = serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
        assert_eq!(report["problems"], Value::Array(Vec::new()));
        let findings = report["findings"].as_array().cloned().expect("the findings are a list");
        let errors = findings.iter().filter(|finding| finding["level"] == "error").count();
        assert_eq!(outcome.code, Some(i32::from(errors > 0)));
        findings
    }

    /// Each finding in short: `rule file:line`, and ` via a → b` where it is hidden behind functions.
    pub(crate) fn found(&self) -> Vec<String> {
        self.findings().iter().map(short).collect()
    }
}

fn short(finding: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at = &finding["at"];
    let steps: Vec<String> = finding["chain"].as_array().into_iter().flatten().map(|step| text(&step["text"])).collect();
    let via = if steps.is_empty() { String::new() } else { format!(" via {}", steps.join(" → ")) };
    format!("{} {}:{}{via}", text(&finding["rule"]), text(&at["file"]), at["line"])
}

/// Runs the tool in a folder.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-dacapo"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .expect("the tool can be run");
    Outcome {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
