//! An activity may read any clock, and the walk through helpers stops there.

use std::time::SystemTime;

fn now() -> SystemTime {
    SystemTime::now()
}

#[dacapo::activity]
async fn measure() -> SystemTime {
    now()
}

#[dacapo::orchestrator]
async fn stamp(name: String) -> String {
    format!("{name} {:?}", measure().await)
}

fn main() {
    println!("{:?}", now());
}
