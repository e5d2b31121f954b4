//! A closure of the body is part of the body.

use std::time::SystemTime;

#[dacapo::orchestrator]
async fn stamp(names: Vec<String>) -> Vec<(String, SystemTime)> {
    names.into_iter().map(|name| (name, SystemTime::now())).collect()
}

fn main() {}
