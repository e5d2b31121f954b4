//! A cron-like loop: a report every night for a week, then it ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

const DAY: u64 = 86_400;

#[activity]
async fn report(section: String, day: u64) -> dacapo::Result<String> {
    Ok(format!("{section} of day {day}"))
}

#[activity]
async fn publish(parts: Vec<String>) -> dacapo::Result<()> {
    drop(parts);
    Ok(())
}

/// The next time it is three o'clock.
fn next_run(now: SystemTime) -> SystemTime {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let today = seconds - seconds % DAY + 3 * 3600;
    let next = if today > seconds { today } else { today + DAY };
    UNIX_EPOCH + Duration::from_secs(next)
}

#[orchestrator]
pub async fn week_of_reports(sections: Vec<String>) -> dacapo::Result<u32> {
    let mut published = 0;
    while published < 7 {
        let at = next_run(dacapo::now());
        dacapo::sleep_until(at).await;
        let day = at.duration_since(UNIX_EPOCH)?.as_secs() / DAY;
        let parts = try_join_all(sections.iter().map(|section| report(section.clone(), day))).await?;
        publish(parts).await?;
        published += 1;
    }
    Ok(published)
}

fn main() {}
