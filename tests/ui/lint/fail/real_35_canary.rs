//! A look at the metrics is limited by tokio's clock.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use tokio::time;

#[activity]
async fn set_share(service: String, percent: u8) -> dacapo::Result<()> {
    println!("{service} {percent}%");
    Ok(())
}

#[activity]
async fn error_rate(service: String) -> dacapo::Result<f64> {
    Ok(service.len() as f64)
}

#[orchestrator]
async fn canary(service: String, steps: Vec<u8>) -> dacapo::Result<bool> {
    for percent in steps {
        set_share(service.clone(), percent).await?;
        dacapo::sleep(Duration::from_secs(300)).await;
        let Ok(rate) = time::timeout(Duration::from_secs(10), error_rate(service.clone())).await else {
            set_share(service, 0).await?;
            return Ok(false);
        };
        if rate? > 0.01 {
            set_share(service, 0).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn main() {}
