//! Values that are kept under `_name` or dropped and are no calls, or calls that were started or awaited.

use dacapo::{activity, orchestrator};

#[activity]
async fn notify(name: String) -> u64 {
    name.len() as u64
}

#[orchestrator]
async fn finish(names: Vec<String>) -> u64 {
    let _count = names.len();
    let _sent = notify("first".to_owned()).await;
    let started = notify("second".to_owned()).start();
    let _label = format!("{} names", names.len());
    let fallback = notify("third".to_owned());
    drop(names);
    drop(_label);
    let sent = started.await;
    if sent > 3 { sent } else { fallback.await }
}

fn main() {}
