//! A rolling deploy: wave after wave, each wave at once, stopped when too many of a wave are ill.

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
async fn downgrade(host: String) -> dacapo::Result<()> {
    drop(host);
    Ok(())
}

fn waves(hosts: Vec<String>) -> Vec<Vec<String>> {
    let mut rest = hosts;
    let mut waves = Vec::new();
    let mut size = 1;
    while !rest.is_empty() {
        let tail = rest.split_off(size.min(rest.len()));
        waves.push(std::mem::replace(&mut rest, tail));
        size *= 2;
    }
    waves
}

#[orchestrator]
pub async fn roll_out(hosts: Vec<String>, version: String) -> dacapo::Result<usize> {
    let mut upgraded: Vec<String> = Vec::new();
    for wave in waves(hosts) {
        let done = try_join_all(wave.into_iter().map(|host| upgrade(host, version.clone()))).await?;
        dacapo::sleep(Duration::from_secs(300)).await;
        let checks = join_all(done.iter().cloned().map(healthy)).await;
        upgraded.extend(done);
        let ill = checks.iter().filter(|ok| !**ok).count();
        if ill * 10 > checks.len() {
            join_all(upgraded.into_iter().map(downgrade)).await;
            return Err(dacapo::Error::msg(format!("{ill} of {} hosts are ill", checks.len())));
        }
    }
    Ok(upgraded.len())
}

fn main() {}
