//! Exemption 3: timers, events and streams pace a loop.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use futures::stream::{self, FuturesUnordered, StreamExt};

const ANSWER: Event<String> = Event::new("answer");
const HOUR: Duration = Duration::from_secs(3600);

#[activity]
async fn remind(who: String) {
    drop(who);
}

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn timers(who: Vec<String>) {
    for who in who {
        remind(who).await;
        dacapo::sleep(HOUR).await;
    }
}

#[orchestrator]
async fn events(count: usize) -> Vec<String> {
    let mut answers = vec![];
    while answers.len() < count {
        answers.push(ANSWER.wait().await);
    }
    answers
}

#[orchestrator]
async fn deadlines(who: Vec<String>) -> Vec<String> {
    let mut answers = vec![];
    for who in who {
        remind(who.clone()).await;
        match dacapo::timeout(HOUR, ANSWER.wait()).await {
            Ok(answer) => answers.push(answer),
            Err(_) => answers.push(format!("{who} is silent")),
        }
    }
    answers
}

#[orchestrator]
async fn drained(items: Vec<u64>) -> u64 {
    let mut sum = 0;
    let mut running: FuturesUnordered<_> = items.iter().copied().map(price).collect();
    while let Some(price) = running.next().await {
        sum += price;
    }
    let mut window = stream::iter(items).map(price).buffered(4);
    while let Some(price) = window.next().await {
        sum += price;
    }
    sum
}

#[orchestrator]
async fn until(items: Vec<u64>) -> u64 {
    let mut sum = 0;
    for item in items {
        dacapo::sleep_until(dacapo::now() + HOUR).await;
        sum += price(item).await;
    }
    sum
}

fn main() {}
