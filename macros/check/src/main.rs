//! `cargo dacapo`: the rules of Dacapo's orchestrators, checked over a whole workspace.
//!
//! `workspace` asks Cargo what there is, `modules` reads the files, `check` runs the rules of `dacapo-lint` on every
//! orchestrator, and `report` shows what they found.

mod allow;
mod check;
mod cli;
mod explain;
mod modules;
mod orchestrators;
mod problem;
mod report;
mod test_only;
mod workspace;

use clap::Parser;
use cli::{Check, Cli, Command};
use report::Report;
use std::io::Write;
use std::process::ExitCode;

/// What the process returns.
const CLEAN: u8 = 0;
const FOUND: u8 = 1;
const FAILED: u8 = 2;

/// Syntax trees are walked recursively, and nobody has counted how deep a user's expressions are.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse_from(cli::arguments());
    let code = match command {
        Command::Check(options) => {
            std::thread::Builder::new().stack_size(STACK).spawn(move || run(&options)).map(std::thread::JoinHandle::join)
        }
        Command::Explain { rule } => Ok(Ok(explain(rule.as_deref()))),
    };
    // A panic has already said what it is.
    ExitCode::from(code.ok().and_then(Result::ok).unwrap_or(FAILED))
}

fn run(options: &Check) -> u8 {
    let report = match workspace::Workspace::read(options.manifest_path.as_deref(), &options.packages) {
        Ok(workspace) => check::check(&workspace),
        Err(message) => return fail(&message),
    };
    match print(&report.show(options.format)) {
        Ok(()) => code(&report),
        Err(message) => fail(&message),
    }
}

fn code(report: &Report) -> u8 {
    if !report.problems.is_empty() {
        FAILED
    } else if report.errors() > 0 {
        FOUND
    } else {
        CLEAN
    }
}

fn explain(rule: Option<&str>) -> u8 {
    let text = match rule {
        None => explain::list(),
        Some(name) => match explain::page(name) {
            Some(page) => page,
            None => return fail(&format!("there is no rule `{name}`\n\n{}", explain::list())),
        },
    };
    print(&text).map_or_else(|message| fail(&message), |()| CLEAN)
}

fn fail(message: &str) -> u8 {
    anstream::eprintln!("error: {}", message.trim_end());
    FAILED
}

/// Writes to standard output; colours are left out unless it is a terminal.
fn print(text: &str) -> Result<(), String> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}
