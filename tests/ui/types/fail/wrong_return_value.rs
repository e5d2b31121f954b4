use dacapo::{activity, orchestrator};

#[activity]
async fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[orchestrator]
async fn run() -> String {
    add(1, 2).await
}

fn main() {}
