//! A method of a type of the same file reads the clock.

use std::time::Instant;

struct Meter(Instant);

impl Meter {
    fn start() -> Self {
        Self(Instant::now())
    }
}

#[dacapo::orchestrator]
async fn measure() -> String {
    format!("{:?}", Meter::start().0)
}

fn main() {}
