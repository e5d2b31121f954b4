//! The examples as programs: in a folder of their own, killed, or served.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Process;

/// A folder for one program.
pub(crate) struct Place {
    folder: TempDir,
    name: &'static str,
}

impl Place {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), name }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = super::example(self.name, self.folder.path());
        command.args(arguments);
        command
    }

    /// All that the program says, and whether it ends well.
    pub(crate) fn ends(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.program(arguments).output().expect("the program runs");
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
        (output.status.success(), text)
    }

    /// Runs it to a good end and returns what it says.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let (good, text) = self.ends(arguments);
        assert!(good, "{} {arguments:?}: {text}", self.name);
        text
    }

    /// Starts it, waits until `reached`, and kills it.
    pub(crate) fn killed(&self, arguments: &[&str], what: &str, reached: impl FnMut() -> bool) {
        let mut process = Process::spawn(&mut self.program(arguments));
        assert!(process.run_until(what, reached), "{} has ended before {what}", self.name);
        assert!(process.kill(), "{} has ended by itself", self.name);
    }

    /// How many activities of this name have a recorded result, and their results as text.
    pub(crate) fn recorded(&self, id: &str, activity: &str) -> Vec<String> {
        let history = super::history(&self.path(&format!("{}.db", self.name)), id);
        super::completed(&history, activity).into_iter().map(|(_, result)| result.as_str().to_owned()).collect()
    }

    /// Serves it on a free port.
    pub(crate) fn served(&self, arguments: &[&str]) -> Served {
        Served::start(&mut self.program(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()))
    }
}

/// A program that serves. It is killed when it is dropped.
pub(crate) struct Served {
    process: Process,
    said: BufReader<std::process::ChildStdout>,
    /// As in `http://127.0.0.1:7071`.
    pub(crate) host: String,
}

impl Served {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = Process::spawn(command.stdout(Stdio::piped()));
        let mut said = BufReader::new(process.0.stdout.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let host = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Self { process, said, host }
    }

    /// As [`Process::run_until`].
    pub(crate) fn run_until(&mut self, what: &str, reached: impl FnMut() -> bool) -> bool {
        self.process.run_until(what, reached)
    }

    /// Kills it, if it still runs.
    pub(crate) fn kill(self) -> bool {
        self.process.kill()
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let id = self.process.0.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().expect("`kill` is a program of every Unix");
        assert!(sent.success());
    }

    /// Waits for the end: whether it was a good one, and what the program has said since it listens.
    pub(crate) fn ended(mut self) -> (bool, String) {
        let mut text = String::new();
        self.said.read_to_string(&mut text).expect("it is text");
        (self.process.0.wait().expect("a child can be waited for").success(), text)
    }
}
