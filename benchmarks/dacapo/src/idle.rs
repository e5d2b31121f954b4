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
    let (switched, ran) = (switches(), processor_ms());
    let idle = Duration::from_secs(10);
    tokio::time::sleep(idle).await;
    // The sleep of this measurement itself is what remains.
    report("wake-ups while idle", (switches() - switched) / idle.as_secs_f64(), "per second");
    report("processor while idle", (processor_ms() - ran) / idle.as_secs_f64(), "ms/s");
    report("resident while idle", memory_kib("VmRSS") / 1024.0, "MiB");
    runtime.shutdown().await?;
    Ok(())
}

/// The time the threads of this process have run, in milliseconds.
fn processor_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let ran = |task: std::fs::DirEntry| -> f64 {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        stat.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0.0)
    };
    tasks.map(ran).sum::<f64>() / 1e6
}
