//! A clock under another name, declared in the body.

#[dacapo::orchestrator]
async fn stamp(name: String) -> String {
    use std::time::SystemTime as Clock;
    format!("{name} at {:?}", Clock::now())
}

fn main() {}
