//! Timers of the history, one with tokio's `Duration`, and a function of one's own called `sleep`.

use tokio::time::Duration;

fn sleep(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[dacapo::orchestrator]
async fn remind(name: String) -> String {
    dacapo::sleep(sleep(60)).await;
    dacapo::sleep_until(dacapo::now() + sleep(60)).await;
    name
}

fn main() {}
