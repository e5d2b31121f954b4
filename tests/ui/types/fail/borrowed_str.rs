use dacapo::{activity, orchestrator};

#[activity]
async fn greet(name: &str) -> String {
    format!("hello {name}")
}

#[orchestrator]
async fn run() -> String {
    greet("Ada").await
}

fn main() {}
