//! The kernel's invariant, read from its sources.

use std::fs;
use std::path::{Path, PathBuf};

/// What reaches for an executor, a disk, a thread or a clock.
const SHELL: &[&str] = &["tokio::", "std::fs", "std::thread", "Instant", "SystemTime", "::now()"];

/// The sources of a folder and all below it, without those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be listed").path());
    let mut found = Vec::new();
    for path in entries {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("tests" | "tests.rs" | "simulation") => {}
            _ if path.is_dir() => found.extend(sources(&path)),
            _ => found.push(path),
        }
    }
    found
}

/// The code of a file with its line numbers: no comments, and nothing of a module of tests at its end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").enumerate();
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(index, line)| (index + 1, line))
}

/// Whether a line names a module of this crate outside the kernel.
fn leaves(line: &str) -> bool {
    line.split("crate::").skip(1).any(|path| !path.starts_with("kernel::"))
}

#[test]
fn the_kernel_knows_no_shell() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernel"));
    let mut read = 0;
    let mut wrong = Vec::new();
    for path in sources(folder) {
        let text = fs::read_to_string(&path).expect("it can be read");
        for (number, line) in code(&text) {
            read += 1;
            if leaves(line) || SHELL.iter().any(|name| line.contains(name)) {
                wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(read > 1000, "only {read} lines were read");
    assert!(wrong.is_empty(), "the kernel must not name what is outside it:\n{}", wrong.join("\n"));
}
