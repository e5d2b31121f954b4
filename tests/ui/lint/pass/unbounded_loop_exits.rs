//! Loops that end: by `break`, `return`, `?`, a label, or a value.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};

const STOP: Event<bool> = Event::new("stop");

#[activity]
async fn probe(host: String) -> dacapo::Result<bool> {
    Ok(!host.is_empty())
}

#[orchestrator]
async fn value(host: String) -> dacapo::Result<u32> {
    let mut tries = 0;
    let found = loop {
        tries += 1;
        if probe(host.clone()).await? {
            break tries;
        }
        dacapo::sleep(Duration::from_secs(1)).await;
    };
    Ok(found)
}

#[orchestrator]
async fn question_mark(host: String) -> dacapo::Result<()> {
    loop {
        probe(host.clone()).await?;
        dacapo::sleep(Duration::from_secs(60)).await;
    }
}

#[orchestrator]
async fn label(hosts: Vec<String>) -> u32 {
    let mut rounds = 0;
    'rounds: loop {
        for host in &hosts {
            if !probe(host.clone()).await.unwrap_or(false) {
                break 'rounds;
            }
        }
        rounds += 1;
        dacapo::sleep(Duration::from_secs(60)).await;
    }
    rounds
}

#[orchestrator]
async fn events() -> u32 {
    let mut count = 0;
    loop {
        match STOP.wait().await {
            true => return count,
            false => count += 1,
        }
    }
}

#[orchestrator]
async fn nothing_durable(mut number: u64) -> u32 {
    let mut steps = 0;
    loop {
        if number == 1 {
            return steps;
        }
        number = if number % 2 == 0 { number / 2 } else { 3 * number + 1 };
        steps += 1;
    }
}

fn main() {}
