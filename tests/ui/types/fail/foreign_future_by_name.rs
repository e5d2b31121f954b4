use std::time::Duration;

use dacapo::orchestrator;

#[orchestrator]
async fn wait() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

fn main() {}
