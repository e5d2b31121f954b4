//! A statement that prints does not print during a replay, but what it prints is still read from the clock.

use std::time::SystemTime;

#[dacapo::orchestrator]
async fn greet(name: String) {
    println!("{name} at {:?}", SystemTime::now());
}

fn main() {}
