//! What every measured system shares: how a program is asked for one workload, and how it answers.
//!
//! A program is called as `PROGRAM WORKLOAD DIR DURABILITY`, works in the empty folder `DIR`, and prints one line of JSON for
//! each figure. Each call is a process of its own, so that nothing warm is carried over.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long what was answered lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Durability {
    /// Every commit is on the disk before it is answered.
    Full,
    /// Commits are written, and on the disk after the next checkpoint.
    Normal,
    /// Nothing is written.
    Memory,
}

impl Durability {
    /// The name, as the command line and SQLite's `PRAGMA synchronous` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
            Self::Memory => "MEMORY",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured, for example `chain`.
    pub name: String,
    /// How much of it.
    pub value: f64,
    /// In what, for example `activities/s`.
    pub unit: String,
}

/// What a program was asked for.
pub struct Request {
    /// The workload.
    pub workload: String,
    /// An empty folder.
    pub dir: PathBuf,
    /// What the store is to promise.
    pub durability: Durability,
}

impl Request {
    /// Reads the command line.
    pub fn from_args() -> anyhow::Result<Self> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [workload, dir, durability] = &args[..] else {
            anyhow::bail!("usage: PROGRAM WORKLOAD DIR FULL|NORMAL|MEMORY");
        };
        let durability = match durability.as_str() {
            "FULL" => Durability::Full,
            "NORMAL" => Durability::Normal,
            "MEMORY" => Durability::Memory,
            other => anyhow::bail!("`{other}` is no durability; write FULL, NORMAL or MEMORY"),
        };
        Ok(Self { workload: workload.clone(), dir: dir.into(), durability })
    }
}

/// Answers with one figure.
pub fn report(name: &str, value: f64, unit: &str) {
    let figure = Figure { name: name.to_owned(), value, unit: unit.to_owned() };
    println!("{}", serde_json::to_string(&figure).expect("a figure is a name, a number and a unit"));
}

/// Answers with how many were done in a second.
pub fn report_rate(name: &str, count: usize, since: Instant, unit: &str) {
    report(name, count as f64 / since.elapsed().as_secs_f64(), unit);
}

/// Answers with the median and the 99th percentile, in milliseconds, as `NAME p50` and `NAME p99`.
pub fn report_latency(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    report(&format!("{name} p50"), at(0.5), "ms");
    report(&format!("{name} p99"), at(0.99), "ms");
}

/// The text every echo carries: 20 bytes.
pub const TEXT: &str = "twenty bytes of text";

/// A number of this process from `/proc/self/status`, in KiB; `VmHWM` is the most memory it ever had resident.
pub fn memory_kib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(f64::NAN)
}

/// How often the threads of this process have given up the processor of themselves: every blocking system call counts.
pub fn switches() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let count = |task: std::fs::DirEntry| -> f64 {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|line| line.trim().parse().ok()).unwrap_or(0.0)
    };
    tasks.map(count).sum()
}
