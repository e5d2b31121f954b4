//! A clock read by its full path.

#[dacapo::orchestrator]
async fn stamp(name: String) -> String {
    let at = std::time::SystemTime::now();
    format!("{name} at {at:?}")
}

fn main() {}
