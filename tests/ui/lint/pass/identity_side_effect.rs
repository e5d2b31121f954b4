//! What runs once and is recorded may differ between runs.

use dacapo::{orchestrator, side_effect};

#[orchestrator]
async fn begun_by() -> (u32, String, bool) {
    let process = dacapo::side_effect(|| std::process::id());
    let home = side_effect(|| std::env::var("HOME").unwrap_or_default());
    let early = side_effect(|| {
        let now = std::time::SystemTime::now();
        now.elapsed().is_ok()
    });
    (process, home, early)
}

fn main() {}
