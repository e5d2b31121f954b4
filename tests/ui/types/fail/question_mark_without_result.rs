use dacapo::{activity, orchestrator};

#[activity]
async fn add(a: u32, b: u32) -> dacapo::Result<u32> {
    Ok(a + b)
}

#[orchestrator]
async fn run() -> u32 {
    add(1, 2).await?
}

fn main() {}
