//! The pause is made shorter by what a batch took, measured with the clock of the machine.

use std::time::Duration;

use dacapo::{activity, orchestrator};

#[activity(max_concurrent = 10)]
async fn send(to: String) -> dacapo::Result<String> {
    Ok(format!("sent to {to}"))
}

const MINUTE: Duration = Duration::from_secs(60);

#[orchestrator]
async fn campaign(to: Vec<String>, per_minute: usize) -> dacapo::Result<usize> {
    let mut sent = 0;
    let began = dacapo::now();
    for batch in to.chunks(per_minute) {
        let batch_began = dacapo::now();
        let outcomes = dacapo::fan_out(batch.to_vec(), send).limit(10).await;
        sent += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let took = batch_began.elapsed().unwrap_or_default();
        dacapo::sleep(MINUTE.saturating_sub(took)).await;
    }
    let total = dacapo::now().duration_since(began)?;
    println!("{sent} sent in {total:?}");
    Ok(sent)
}

fn main() {}
