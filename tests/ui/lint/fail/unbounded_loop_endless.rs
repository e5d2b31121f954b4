//! A loop that never ends grows the history without end.

use std::time::Duration;

#[dacapo::activity]
async fn probe(host: String) -> bool {
    !host.is_empty()
}

#[dacapo::orchestrator]
async fn watch(host: String) -> bool {
    loop {
        probe(host.clone()).await;
        dacapo::sleep(Duration::from_secs(60)).await;
    }
}

fn main() {}
