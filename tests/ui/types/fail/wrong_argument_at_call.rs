use dacapo::{activity, orchestrator};

/// Adds.
#[activity]
async fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[orchestrator]
async fn run() -> u32 {
    add(1, "two").await
}

fn main() {}
