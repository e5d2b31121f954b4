//! On-call escalation: page one after the other until somebody acknowledges.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use serde::{Deserialize, Serialize};

const ACK: Event<String> = Event::new("ack");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Incident {
    title: String,
    severity: u8,
}

#[activity]
async fn page(who: String, incident: Incident) -> dacapo::Result<()> {
    println!("{who}: {} ({})", incident.title, incident.severity);
    Ok(())
}

#[activity]
async fn open_bridge(incident: Incident) -> dacapo::Result<String> {
    Ok(incident.title)
}

fn patience(incident: &Incident) -> Duration {
    match incident.severity {
        0 | 1 => Duration::from_secs(5 * 60),
        2 => Duration::from_secs(15 * 60),
        _ => Duration::from_secs(60 * 60),
    }
}

#[orchestrator]
pub async fn escalate(incident: Incident, rota: Vec<String>) -> dacapo::Result<String> {
    for (step, who) in rota.iter().enumerate() {
        page(who.clone(), incident.clone()).await?;
        if let Ok(acknowledged_by) = dacapo::timeout(patience(&incident), ACK.wait()).await {
            return Ok(acknowledged_by);
        }
        dacapo::set_custom_status(&format!("step {step}: no answer from {who}"));
    }
    let bridge = open_bridge(incident).await?;
    let by = ACK.wait().await;
    Ok(format!("{by} on {bridge}"))
}

fn main() {}
