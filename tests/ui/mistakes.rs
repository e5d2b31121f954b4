//! Compiles programs with mistakes and compares the compiler's output with the `.stderr` file beside each program.
//!
//! Every compiler must report each expected error, in our words and at our line. The compiler that the files were written with must
//! produce exactly their text.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler that wrote the `.stderr` files.
const WORDING: &str = "rustc 1.95.";

/// Set in the process that compiles, for which `TRYBUILD=overwrite` writes the output beside copies of the programs.
const COMPILES: &str = "DACAPO_UI_COMPILES";

/// Fails unless each program of `folder` that is not `missed` is refused as its `.stderr` says. `TRYBUILD=overwrite` rewrites those files.
/// Must be the only statement of a test, which runs again in a process of its own.
pub(crate) fn are_refused(folder: &str, missed: &[&str]) {
    let copies = Path::new("wip").join(folder);
    if std::env::var_os(COMPILES).is_some() {
        return trybuild::TestCases::new().compile_fail(copies.join("*.rs"));
    }
    let programs = programs(Path::new(folder), missed);
    copy(&programs, &copies);
    let test = std::thread::current().name().expect("a test's thread has its name").to_owned();
    let this = std::env::current_exe().expect("a test is a program");
    let mut compiles = Command::new(this);
    compiles.args(["--exact", &test, "--nocapture"]).env(COMPILES, "1").env("TRYBUILD", "overwrite");
    let output = compiles.output().expect("the test runs again");
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    assert!(output.status.success(), "some programs were not refused:\n{said}");

    let rewrite = std::env::var_os("TRYBUILD").is_some_and(|update| update == "overwrite");
    let same_compiler = version().starts_with(WORDING);
    let mut wrong = String::new();
    for program in &programs {
        let file = program.with_extension("stderr");
        let said = read(&Path::new("wip").join(&file)).replace("--> wip/", "--> ");
        if rewrite {
            std::fs::write(&file, said).expect("the expected output can be written");
            continue;
        }
        let expected = read(&file);
        let found = errors(&said);
        let all_found = errors(&expected).iter().all(|error| found.contains(error));
        if !all_found || same_compiler && said != expected {
            wrong += &format!("\n{}\nexpected:\n{expected}\nfound:\n{said}", file.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The programs of a folder, sorted.
pub(crate) fn programs(folder: &Path, missed: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the programs are there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    let is_missed = |file: &PathBuf| file.file_stem().is_some_and(|stem| missed.iter().any(|missed| stem == *missed));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs") && !is_missed(file));
    files.sort();
    files
}

pub(crate) fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Line, and message, of each error. Within messages that rustc completes, what stands in backquotes differs between compilers.
fn errors(text: &str) -> Vec<(&str, String)> {
    let mut errors = Vec::new();
    let mut message = None;
    for line in text.lines() {
        if line.starts_with("error: ") {
            message = Some(line.to_owned());
        } else if line.starts_with("error[") {
            message = Some(line.split('`').step_by(2).collect());
        } else if let Some((_, place)) = line.trim_start().strip_prefix("--> ").and_then(|place| place.split_once(".rs:"))
            && let Some(message) = message.take()
        {
            errors.push((place.split(':').next().unwrap_or(place), message));
        }
    }
    errors
}

/// Replaces the folder `to` by the programs alone.
fn copy(programs: &[PathBuf], to: &Path) {
    drop(std::fs::remove_dir_all(to));
    std::fs::create_dir_all(to).expect("a folder for the output can be made");
    for program in programs {
        std::fs::copy(program, Path::new("wip").join(program)).expect("a program can be copied");
    }
}

fn version() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs");
    String::from_utf8_lossy(&version.stdout).into_owned()
}
