//! A child that nobody starts.

#[dacapo::orchestrator]
async fn child(name: String) -> String {
    name
}

#[dacapo::orchestrator]
async fn parent(names: Vec<String>) -> usize {
    for name in &names {
        child(name.clone()).id(format!("child-{name}"));
    }
    names.len()
}

fn main() {}
