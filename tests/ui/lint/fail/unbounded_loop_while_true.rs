//! `while true`, whose inner loop alone is left.

#![allow(while_true)]

use std::time::Duration;

#[dacapo::activity]
async fn probe(host: String) -> bool {
    !host.is_empty()
}

#[dacapo::orchestrator]
async fn watch(hosts: Vec<String>) {
    while true {
        for host in &hosts {
            if !probe(host.clone()).await {
                break;
            }
        }
        dacapo::sleep(Duration::from_secs(60)).await;
    }
}

fn main() {}
