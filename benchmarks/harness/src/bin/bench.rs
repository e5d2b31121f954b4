//! Builds every system, runs every workload on each of them in turn, and writes the figures, the table and the chart.
//!
//! The systems take turns within each round, so that a slow minute of the machine falls on all of them; what counts are ratios
//! of medians.

#[path = "bench/build.rs"]
mod build;
#[path = "bench/chart.rs"]
mod chart;
#[path = "bench/samples.rs"]
mod samples;
#[path = "bench/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::Parser;
use harness::Durability::{Full, Memory, Normal};
use harness::{Durability, Figure};

use samples::{Sample, Samples};

/// Runs every workload on every system and writes `results/` and the table in `RESULTS.md`.
#[derive(Parser)]
struct Args {
    /// How often each workload is run on each system.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Only these workloads, without writing the results.
    #[arg(long)]
    only: Vec<String>,
    /// Where the databases are made; the disk it is on is what is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
}

/// A program and how it is to be run.
struct System {
    name: &'static str,
    program: &'static str,
    tuned: bool,
    durability: Durability,
    workloads: &'static [&'static str],
    /// At most so many rounds: those of slow peers and of the long workloads count less.
    rounds: u32,
}

const QUICK: &[&str] = &["chain", "fan-out", "many", "latency", "start", "events"];
const PEER: &[&str] = &["chain", "fan-out", "many", "latency", "start", "size"];

const fn system(name: &'static str, program: &'static str, durability: Durability, workloads: &'static [&'static str]) -> System {
    System { name, program, tuned: false, durability, workloads, rounds: u32::MAX }
}

const SYSTEMS: &[System] = &[
    system("floor", "floor", Full, &["commits"]),
    system("dacapo", "bench-dacapo", Full, QUICK),
    system("floor", "floor", Normal, &["commits"]),
    system("dacapo", "bench-dacapo", Normal, QUICK),
    System { rounds: 3, ..system("dacapo", "bench-dacapo", Memory, QUICK) },
    System { rounds: 3, ..system("dacapo", "bench-dacapo", Full, &["replay", "size"]) },
    System { rounds: 1, ..system("dacapo", "bench-dacapo", Full, &["waiting", "idle"]) },
    System { tuned: true, rounds: 3, ..system("duroxide, tuned", "bench-duroxide", Normal, PEER) },
    System { rounds: 1, ..system("duroxide", "bench-duroxide", Normal, PEER) },
];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the harness lies in benchmarks/")?.to_owned();
    let programs = build::programs(&here)?;
    let mut samples = Samples::default();
    for round in 0..args.rounds {
        for system in SYSTEMS.iter().filter(|system| round < system.rounds) {
            for workload in system.workloads {
                if !args.only.is_empty() && !args.only.iter().any(|only| only == workload) {
                    continue;
                }
                eprintln!("round {}: {} {workload} {}", round + 1, system.name, system.durability.as_str());
                match run(&programs, system, workload, &args.dir) {
                    Ok(figures) => figures.into_iter().for_each(|figure| {
                        eprintln!("    {}: {:.4} {}", figure.name, figure.value, figure.unit);
                        samples.add(Sample { system: system.name.to_owned(), durability: system.durability, figure });
                    }),
                    // A peer that fails has no figure.
                    Err(error) if system.workloads == PEER => eprintln!("    {error:#}"),
                    Err(error) => return Err(error),
                }
            }
        }
    }
    if args.only.is_empty() || args.only.iter().any(|only| only == "compile") {
        for figure in build::compile_cost(&here)? {
            eprintln!("    {}: {:.4} {}", figure.name, figure.value, figure.unit);
            samples.add(Sample { system: "dacapo".to_owned(), durability: Memory, figure });
        }
    }
    let table = table::render(&samples);
    println!("{table}");
    if args.only.is_empty() {
        let results = here.join("results");
        std::fs::create_dir_all(&results)?;
        std::fs::write(results.join("samples.json"), serde_json::to_string_pretty(&samples)? + "\n")?;
        chart::draw(&samples, &results.join("chart.svg"))?;
        table::insert(&here.join("RESULTS.md"), &table)?;
    }
    Ok(())
}

/// Runs one workload in a process and a folder of its own.
fn run(programs: &build::Programs, system: &System, workload: &str, dir: &Path) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(dir)?;
    let mut command = Command::new(programs.path(system.program));
    command.arg(workload).arg(folder.path()).arg(system.durability.as_str());
    if system.tuned {
        command.env("TUNED", "1");
    }
    let output = command.output().with_context(|| format!("{} could not be run", system.program))?;
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        output.status.success(),
        "{} {workload} failed:\n{text}{}",
        system.program,
        String::from_utf8_lossy(&output.stderr)
    );
    // A peer may log to the same stream.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
