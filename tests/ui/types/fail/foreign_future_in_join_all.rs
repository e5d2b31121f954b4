use dacapo::orchestrator;
use futures::future::join_all;

async fn fetch(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn run(items: Vec<u32>) -> Vec<u32> {
    join_all(items.into_iter().map(fetch)).await
}

fn main() {}
