//! The waves are batches, but inside a wave the hosts are checked one after another.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use futures::future::{join_all, try_join_all};

#[activity]
async fn upgrade(host: String, version: String) -> dacapo::Result<String> {
    println!("{host} gets {version}");
    Ok(host)
}

#[activity]
async fn healthy(host: String) -> bool {
    !host.is_empty()
}

#[activity]
async fn downgrade(host: String) {
    drop(host);
}

#[orchestrator]
async fn roll_out(hosts: Vec<String>, version: String) -> dacapo::Result<usize> {
    let mut upgraded: Vec<String> = Vec::new();
    for wave in hosts.chunks(10) {
        let done = try_join_all(wave.iter().map(|host| upgrade(host.clone(), version.clone()))).await?;
        dacapo::sleep(Duration::from_secs(300)).await;
        let mut ill = 0;
        for host in &done {
            if !healthy(host.clone()).await {
                ill += 1;
            }
        }
        upgraded.extend(done);
        if ill > 1 {
            join_all(upgraded.into_iter().map(downgrade)).await;
            return Err(dacapo::Error::msg(format!("{ill} hosts are ill")));
        }
    }
    Ok(upgraded.len())
}

fn main() {}
