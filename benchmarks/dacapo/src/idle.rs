//! What a runtime costs that has nothing to do, with a thousand instances waiting.

use std::time::Duration;

use harness::{Request, memory_kib, report, switches};

use crate::{open, wait_for_event};

pub async fn measure(request: &Request) -> anyhow::Result<()> {
    let runtime = open(request).await?;
    for _ in 0..1_000 {
        runtime.start(wait_for_event()).await?;
    }
    // Threads for blocking work end after ten seconds without any.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let (switched, ticks) = (switches(), processor_ticks());
    let idle = Duration::from_secs(10);
    tokio::time::sleep(idle).await;
    // The sleep of this measurement itself is what remains.
    report("wake-ups while idle", (switches() - switched) / idle.as_secs_f64(), "per second");
    report("processor while idle", (processor_ticks() - ticks) * 10.0 / idle.as_secs_f64(), "ms/s");
    report("resident while idle", memory_kib("VmRSS") / 1024.0, "MiB");
    runtime.shutdown().await?;
    Ok(())
}

/// User and system time of this process in hundredths of a second.
fn processor_ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<f64>().ok()).sum()
}
