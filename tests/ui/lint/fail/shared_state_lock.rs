//! A lock in a static, behind a helper.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

static RATES: LazyLock<Mutex<BTreeMap<String, u64>>> = LazyLock::new(Mutex::default);

fn rate_of(name: &str) -> Option<u64> {
    RATES.lock().ok()?.get(name).copied()
}

#[dacapo::orchestrator]
async fn rate(name: String) -> u64 {
    rate_of(&name).unwrap_or(1)
}

fn main() {}
