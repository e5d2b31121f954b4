use std::time::Duration;

use dacapo::orchestrator;
use tokio::time::sleep as nap;

#[orchestrator(allow(sleep, reason = "the type rule speaks"))]
async fn wait() {
    nap(Duration::from_secs(1)).await;
}

fn main() {}
