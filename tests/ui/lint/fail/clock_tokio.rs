//! Tokio's clock is a clock, too.

use tokio::time::Instant;

#[dacapo::orchestrator]
async fn measure(name: String) -> String {
    let start = Instant::now();
    format!("{name} {start:?}")
}

fn main() {}
