//! Switching a rule off takes a reason.

#[dacapo::orchestrator(allow(clock))]
async fn stamp(name: String) -> String {
    let at = std::time::SystemTime::now();
    format!("{name} {at:?}")
}

fn main() {}
