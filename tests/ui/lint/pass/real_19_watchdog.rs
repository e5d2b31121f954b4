//! A watchdog: a heartbeat event must come every minute, three misses raise the alarm.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Heartbeat {
    sequence: u64,
    stopping: bool,
}

const HEARTBEAT: Event<Heartbeat> = Event::new("heartbeat");

#[activity]
async fn raise_alarm(machine: String, last: Option<u64>) -> dacapo::Result<()> {
    println!("{machine} is silent since {last:?}");
    Ok(())
}

#[orchestrator]
pub async fn watchdog(machine: String) -> dacapo::Result<()> {
    let mut misses = 0;
    let mut last = None;
    while misses < 3 {
        match dacapo::timeout(Duration::from_secs(60), HEARTBEAT.wait()).await {
            Ok(beat) if beat.stopping => return Ok(()),
            Ok(beat) => {
                misses = 0;
                last = Some(beat.sequence);
            }
            Err(_elapsed) => misses += 1,
        }
    }
    raise_alarm(machine, last).await
}

fn main() {}
