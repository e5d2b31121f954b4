//! A canary release: raise its share step by step while the error rate stays low.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Metrics {
    requests: u64,
    errors: u64,
}

impl Metrics {
    fn error_rate(self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 }
    }
}

#[activity]
async fn set_share(service: String, percent: u8) -> dacapo::Result<()> {
    println!("{service} {percent}%");
    Ok(())
}

#[activity]
async fn metrics(service: String) -> dacapo::Result<Metrics> {
    Ok(Metrics { requests: service.len() as u64, errors: 0 })
}

#[orchestrator]
pub async fn canary(service: String, steps: Vec<u8>) -> dacapo::Result<bool> {
    for percent in steps {
        set_share(service.clone(), percent).await?;
        // Three looks at each step, five minutes apart.
        for look in 0..3 {
            dacapo::sleep(Duration::from_secs(300)).await;
            let seen = metrics(service.clone()).await?;
            if seen.error_rate() > 0.01 {
                println!("look {look} at {percent}%: {seen:?}");
                set_share(service, 0).await?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn main() {}
