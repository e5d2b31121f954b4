//! A task beside the history.

#[dacapo::activity]
async fn audit(name: String) {
    drop(name);
}

#[dacapo::orchestrator]
async fn greet(name: String) -> String {
    tokio::spawn(audit(name.clone()));
    name
}

fn main() {}
