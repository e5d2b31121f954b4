//! Tokio's timer is not in the history.

use std::time::Duration;

use tokio::time::sleep as pause;

#[dacapo::orchestrator]
async fn remind(name: String) -> String {
    pause(Duration::from_secs(60)).await;
    name
}

fn main() {}
