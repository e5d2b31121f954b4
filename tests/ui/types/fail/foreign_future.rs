use std::time::Duration;

use dacapo::orchestrator;
use tokio::time::sleep as nap;

#[orchestrator]
async fn wait() {
    nap(Duration::from_secs(1)).await;
}

fn main() {}
