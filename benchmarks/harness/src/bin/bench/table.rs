//! The table of targets and figures, as Markdown.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use harness::Durability::{self, Full, Memory, Normal};

use crate::samples::{Samples, Summary};

/// A figure and what it must reach.
struct Row {
    name: &'static str,
    goal: Goal,
}

enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// At least this share of the floor's figure.
    ShareOfFloor(f64, &'static str),
    /// At most so many of the floor's figure.
    TimesFloor(f64, &'static str),
    /// At most so many times another figure of ours.
    TimesOwn(f64, &'static str),
    Within(f64, f64),
}

use Goal::{AtLeast, AtMost, ShareOfFloor, TimesFloor, TimesOwn, Within};

const ROWS: &[Row] = &[
    Row { name: "chain of 1,000", goal: ShareOfFloor(0.8, "first 1,000 commits") },
    Row { name: "chain of 10,000", goal: ShareOfFloor(0.8, "10,000 commits") },
    Row { name: "last steps / first steps", goal: Within(0.8, 1.2) },
    Row { name: "fan-out of 10,000", goal: AtLeast(100_000.0) },
    Row { name: "fan-out of 100,000", goal: AtLeast(100_000.0) },
    Row { name: "many", goal: AtLeast(10_000.0) },
    Row { name: "one activity p50", goal: TimesFloor(3.0, "commit p50") },
    Row { name: "one activity p99", goal: TimesOwn(3.0, "one activity p50") },
    Row { name: "starts", goal: AtLeast(30_000.0) },
    Row { name: "events", goal: AtLeast(20_000.0) },
    Row { name: "most memory with a million waiting", goal: AtMost(300.0) },
    Row { name: "restart with a million waiting", goal: AtMost(3.0) },
    Row { name: "event to one of a million p50", goal: AtMost(5.0) },
    Row { name: "event to one of a million p99", goal: AtMost(5.0) },
    Row { name: "replay of a chain", goal: AtLeast(500_000.0) },
    Row { name: "replay of a fan-out", goal: AtLeast(500_000.0) },
    Row { name: "size in a fan-out", goal: AtMost(200.0) },
    Row { name: "size in a chain", goal: AtMost(200.0) },
    Row { name: "wake-ups while idle", goal: AtMost(0.5) },
    Row { name: "processor while idle", goal: AtMost(1.0) },
    Row { name: "resident while idle", goal: AtMost(300.0) },
    Row { name: "expansion, unoptimised build", goal: AtMost(5.0) },
    Row { name: "expansion, release build", goal: AtMost(5.0) },
    Row { name: "crates of a hello program", goal: AtMost(60.0) },
];

const FLOOR_ROWS: &[&str] =
    &["first 1,000 commits", "10,000 commits", "100 rows/commit", "1,000 rows/commit", "commit p50", "commit p99"];

/// The columns beside ours with `FULL`.
const OTHERS: &[(&str, &str, Durability)] = &[
    ("ours, NORMAL", "dacapo", Normal),
    ("ours, in memory", "dacapo", Memory),
    ("duroxide, tuned, NORMAL", "duroxide, tuned", Normal),
    ("duroxide, default, NORMAL", "duroxide", Normal),
];

pub fn render(samples: &Samples) -> String {
    let mut text = String::from("| figure | unit | target | **ours, FULL** | spread | met |");
    OTHERS.iter().for_each(|(title, ..)| text.push_str(&format!(" {title} |")));
    text.push_str("\n|---|---|---|---:|---|---|");
    OTHERS.iter().for_each(|_| text.push_str("---:|"));
    for row in ROWS {
        // What is not about the disk is measured once.
        let Some(ours) = samples.of("dacapo", Full, row.name).or_else(|| samples.of("dacapo", Memory, row.name)) else {
            continue;
        };
        let (target, value, met) = judge(samples, row, &ours);
        let _ = write!(
            text,
            "\n| {} | {} | {target} | **{value}** | {} | {} |",
            row.name,
            ours.unit,
            spread(&ours),
            if met { "yes" } else { "**no**" }
        );
        for (_, system, durability) in OTHERS {
            let other = samples.of(system, *durability, row.name).filter(|_| !is_undivided(row));
            let _ = write!(text, " {} |", other.map_or(String::new(), |other| number(other.median)));
        }
    }
    text.push_str("\n\n| floor | unit | FULL | spread | NORMAL |\n|---|---|---:|---|---:|");
    for name in FLOOR_ROWS {
        let Some(full) = samples.of("floor", Full, name) else { continue };
        let normal = samples.of("floor", Normal, name).map_or(String::new(), |normal| number(normal.median));
        let _ = write!(text, "\n| {name} | {} | {} | {} | {normal} |", full.unit, number(full.median), spread(&full));
    }
    text + "\n"
}

/// Whether the row does not depend on the store.
fn is_undivided(row: &Row) -> bool {
    row.name.starts_with("expansion") || row.name.starts_with("crates")
}

fn judge(samples: &Samples, row: &Row, ours: &Summary) -> (String, String, bool) {
    let value = number(ours.median);
    let of = |durability: Durability, system: &str, name: &str| {
        samples.of(system, durability, name).map_or(f64::NAN, |found| found.median)
    };
    match row.goal {
        AtLeast(least) => (format!("≥ {}", number(least)), value, ours.median >= least),
        AtMost(most) => (format!("≤ {}", number(most)), value, ours.median <= most),
        Within(least, most) => (format!("{least} to {most}"), value, (least..=most).contains(&ours.median)),
        ShareOfFloor(least, floor) => {
            let share = ours.median / of(Full, "floor", floor);
            (format!("≥ {least} of the floor's {floor}"), format!("{value} = {share:.2}"), share >= least)
        }
        TimesFloor(most, floor) => {
            let times = ours.median / of(Full, "floor", floor);
            (format!("≤ {most} × the floor's {floor}"), format!("{value} = {times:.2} ×"), times <= most)
        }
        TimesOwn(most, own) => {
            let times = ours.median / of(Full, "dacapo", own);
            (format!("≤ {most} × {own}"), format!("{value} = {times:.2} ×"), times <= most)
        }
    }
}

fn spread(summary: &Summary) -> String {
    if summary.rounds < 2 {
        return "one run".to_owned();
    }
    format!("{}–{} ({} runs)", number(summary.least), number(summary.most), summary.rounds)
}

/// Three digits that count, and thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 1.0 {
        return format!("{value:.3}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const BEGIN: &str = "<!-- table: written by the benchmark -->";
const END: &str = "<!-- end of the table -->";

/// Puts the table between its marks.
pub fn insert(page: &Path, table: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("RESULTS.md has lost the mark of its table")?;
    let (_, after) = rest.split_once(END).context("RESULTS.md has lost the end mark of its table")?;
    Ok(std::fs::write(page, format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))?)
}
