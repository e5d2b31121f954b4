//! What SQLite and the disk allow: rows appended to an integer-keyed table, one, a hundred or a thousand to a commit, with the
//! pragmas the systems use.

use std::time::Instant;

use harness::{Durability, Request, report_latency, report_rate};
use rusqlite::Connection;

fn main() -> anyhow::Result<()> {
    let request = Request::from_args()?;
    anyhow::ensure!(request.durability != Durability::Memory, "the floor is a disk");
    anyhow::ensure!(request.workload == "commits", "the floor knows one workload, `commits`");
    let synchronous = request.durability.as_str();
    let events = "x".repeat(150);
    // The first thousand commits grow the log of a new file, later ones write over it: two figures of one file.
    let series = [
        ("first 1,000 commits", 1, 1_000),
        ("10,000 commits", 1, 10_000),
        ("100 rows/commit", 100, 1_000),
        ("1,000 rows/commit", 1_000, 200),
    ];
    let mut connections = Vec::new();
    for (name, rows, commits) in series {
        let connection = Connection::open(request.dir.join(format!("{rows}.db")))?;
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
             CREATE TABLE IF NOT EXISTS turn (key INTEGER PRIMARY KEY, at INTEGER NOT NULL, events TEXT NOT NULL) STRICT;"
        ))?;
        let mut times = Vec::with_capacity(commits);
        let start = Instant::now();
        for _ in 0..commits {
            let began = Instant::now();
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            for _ in 0..rows {
                connection.prepare_cached("INSERT INTO turn (at, events) VALUES (?1, ?2)")?.execute((0, &events))?;
            }
            connection.prepare_cached("COMMIT")?.execute([])?;
            times.push(began.elapsed());
        }
        report_rate(name, rows * commits, start, "rows/s");
        if commits == 10_000 {
            report_latency("commit", times);
        }
        // Closing the last connection would delete the log.
        connections.push(connection);
    }
    Ok(())
}
