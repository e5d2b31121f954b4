//! The clock of a crate, under the alias of the crate.

use chrono as c;

#[dacapo::orchestrator]
async fn stamp(name: String) -> String {
    format!("{name} {} {}", c::Utc::now(), chrono::Local::now())
}

fn main() {}
