use dacapo::{activity, orchestrator};

#[activity]
async fn price(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn run() -> (u32, u32) {
    futures::join!(price(1), std::future::ready(2))
}

fn main() {}
