//! The misses are counted in a static, which a restart sets back and other runs share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dacapo::{Event, activity, orchestrator};

const HEARTBEAT: Event<u64> = Event::new("heartbeat");

static MISSES: AtomicU32 = AtomicU32::new(0);

#[activity]
async fn raise_alarm(machine: String, last: Option<u64>) -> dacapo::Result<()> {
    println!("{machine} is silent since {last:?}");
    Ok(())
}

#[orchestrator]
async fn watchdog(machine: String, patience: u32) -> dacapo::Result<()> {
    let mut last = None;
    loop {
        match dacapo::timeout(Duration::from_secs(60), HEARTBEAT.wait()).await {
            Ok(sequence) => last = Some(sequence),
            Err(_elapsed) if MISSES.fetch_add(1, Ordering::SeqCst) >= patience => break,
            Err(_elapsed) => println!("{machine} missed a beat"),
        }
    }
    raise_alarm(machine, last).await
}

fn main() {}
