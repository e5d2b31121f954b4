//! `elapsed` compares a time with the clock of the machine.

use std::time::SystemTime;

#[dacapo::orchestrator]
async fn age(born: SystemTime) -> u64 {
    born.elapsed().map_or(0, |age| age.as_secs())
}

fn main() {}
