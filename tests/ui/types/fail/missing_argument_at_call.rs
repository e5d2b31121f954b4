use dacapo::{activity, orchestrator};

#[activity]
async fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[orchestrator]
async fn run() -> u32 {
    add(1).await
}

fn main() {}
