//! An orchestrator that is not `async`.

#[dacapo::orchestrator]
fn greet(name: String) -> String {
    name
}

fn main() {}
