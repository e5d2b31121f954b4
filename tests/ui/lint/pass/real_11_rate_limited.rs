//! Batches with a pause between them, because the provider allows so many calls a minute.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    to: String,
    text: String,
}

#[activity(max_concurrent = 10)]
async fn send(message: Message) -> dacapo::Result<String> {
    Ok(format!("sent to {}: {}", message.to, message.text))
}

const PER_MINUTE: usize = 60;

#[orchestrator]
pub async fn campaign(messages: Vec<Message>) -> dacapo::Result<(usize, usize)> {
    let (mut sent, mut failed) = (0, 0);
    let batches = messages.len().div_ceil(PER_MINUTE);
    for (number, batch) in messages.chunks(PER_MINUTE).enumerate() {
        let outcomes = dacapo::fan_out(batch.to_vec(), send).limit(10).await;
        sent += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        failed += outcomes.iter().filter(|outcome| outcome.is_err()).count();
        if failed > 100 {
            return Err(dacapo::Error::msg("too many failures, stopped"));
        }
        if number + 1 < batches {
            dacapo::sleep(Duration::from_secs(60)).await;
        }
    }
    Ok((sent, failed))
}

fn main() {}
