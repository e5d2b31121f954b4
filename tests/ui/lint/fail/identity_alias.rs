//! The same under an alias, with the time in it.

use uuid::Uuid as Key;

#[dacapo::orchestrator]
async fn label(name: String) -> String {
    let key = Key::now_v7();
    format!("{name}-{key}")
}

fn main() {}
