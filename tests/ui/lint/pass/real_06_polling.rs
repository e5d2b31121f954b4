//! Polls a job until it is final, slower and slower.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Status {
    Queued,
    Running { percent: u8 },
    Done { url: String },
    Failed { reason: String },
}

#[activity]
async fn submit(video: String) -> dacapo::Result<String> {
    Ok(format!("job-{video}"))
}

#[activity]
async fn status(job: String) -> dacapo::Result<Status> {
    Ok(Status::Done { url: job })
}

fn next_pause(pause: Duration) -> Duration {
    (pause * 2).min(Duration::from_secs(300))
}

#[orchestrator]
pub async fn encode(video: String) -> dacapo::Result<String> {
    let job = submit(video).await?;
    let mut pause = Duration::from_secs(2);
    loop {
        match status(job.clone()).await? {
            Status::Done { url } => return Ok(url),
            Status::Failed { reason } => return Err(dacapo::Error::msg(reason)),
            now @ (Status::Queued | Status::Running { .. }) => dacapo::set_custom_status(&now),
        }
        dacapo::sleep(pause).await;
        pause = next_pause(pause);
    }
}

fn main() {}
