//! A borrowed argument cannot be read back after a restart.

#[dacapo::orchestrator]
async fn greet(name: &str) -> String {
    name.to_owned()
}

fn main() {}
