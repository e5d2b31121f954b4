//! Identifiers of the turn.

#[dacapo::orchestrator]
async fn label(name: String) -> String {
    let id = dacapo::new_uuid();
    format!("{name}-{id}-{}-{}", id.as_simple(), dacapo::instance_id())
}

fn main() {}
