//! Times as values: compared, added, formatted, and taken from the turn.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Deadline = Option<SystemTime>;

fn is_over(deadline: Deadline, now: SystemTime) -> bool {
    deadline.is_some_and(|deadline| now >= deadline)
}

#[dacapo::orchestrator]
async fn wait_until(deadline: Deadline) -> dacapo::Result<u64> {
    let started = dacapo::now();
    let _unused: Option<Instant> = None;
    while !is_over(deadline, dacapo::now()) {
        dacapo::sleep(Duration::from_secs(60)).await;
        if dacapo::now().duration_since(started)? > Duration::from_secs(3600) {
            break;
        }
    }
    Ok(started.duration_since(UNIX_EPOCH)?.as_secs())
}

fn main() {}
