//! The same under an imported name.

use tokio::join;

#[dacapo::activity]
async fn price(item: u64) -> u64 {
    item
}

#[dacapo::orchestrator]
async fn both() -> u64 {
    let (a, b) = join!(price(1), price(2));
    a + b
}

fn main() {}
