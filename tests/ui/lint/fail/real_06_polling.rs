//! A poll loop that pauses on tokio's timer, which is not in the history.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Status {
    Running(u8),
    Done(String),
}

#[activity]
async fn submit(video: String) -> dacapo::Result<String> {
    Ok(video)
}

#[activity]
async fn status(job: String) -> dacapo::Result<Status> {
    Ok(if job.is_empty() { Status::Running(1) } else { Status::Done(job) })
}

#[orchestrator]
async fn encode(video: String) -> dacapo::Result<String> {
    let job = submit(video).await?;
    let mut pause = Duration::from_secs(1);
    loop {
        match status(job.clone()).await? {
            Status::Done(url) => return Ok(url),
            Status::Running(percent) => dacapo::set_custom_status(&percent),
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(60));
    }
}

fn main() {}
