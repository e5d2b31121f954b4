use dacapo::{activity, orchestrator};

async fn fetch(n: u32) -> u32 {
    n
}

#[activity]
async fn price(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn run() -> (u32, u32) {
    futures::join!(price(1), fetch(2))
}

fn main() {}
