//! Without a start time the clock of the machine is taken, as a function given by name.

use std::time::{Duration, SystemTime};

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

#[activity]
async fn report(section: String, day: u32) -> dacapo::Result<String> {
    Ok(format!("{section} of day {day}"))
}

#[activity]
async fn publish(parts: Vec<String>) -> dacapo::Result<()> {
    drop(parts);
    Ok(())
}

#[orchestrator]
async fn week_of_reports(sections: Vec<String>, first: Option<SystemTime>) -> dacapo::Result<u32> {
    let mut at = first.unwrap_or_else(SystemTime::now);
    let mut published = 0;
    for day in 0..7 {
        dacapo::sleep_until(at).await;
        let parts = try_join_all(sections.iter().map(|section| report(section.clone(), day))).await?;
        publish(parts).await?;
        at += Duration::from_secs(86_400);
        published += 1;
    }
    Ok(published)
}

fn main() {}
