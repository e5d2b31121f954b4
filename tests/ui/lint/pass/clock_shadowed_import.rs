//! A type declared in the body hides the imported one of the same name.

use std::time::{Duration, SystemTime};

fn at(time: SystemTime) -> Option<Duration> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok()
}

#[dacapo::orchestrator]
async fn minute(extra: u64) -> u64 {
    let now = dacapo::now();
    struct SystemTime;
    impl SystemTime {
        fn now() -> u64 {
            1
        }
    }
    SystemTime::now() + extra + at(now).map_or(0, |since| since.as_secs())
}

fn main() {}
