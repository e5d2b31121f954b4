//! A new identifier in every replay.

use uuid::Uuid;

#[dacapo::orchestrator]
async fn label(name: String) -> String {
    format!("{name}-{}", Uuid::new_v4())
}

fn main() {}
