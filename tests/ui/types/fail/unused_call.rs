#![deny(unused_must_use)]

use dacapo::{activity, orchestrator};

#[activity]
async fn ping() {}

#[orchestrator]
async fn run() {
    ping();
}

fn main() {}
