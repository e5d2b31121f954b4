//! A clock through a renamed module and through `self`.

use std::time::{self, Duration};

#[dacapo::orchestrator]
async fn later() -> bool {
    use std::time as t;
    time::Instant::now() < t::Instant::now() + Duration::from_secs(1)
}

fn main() {}
