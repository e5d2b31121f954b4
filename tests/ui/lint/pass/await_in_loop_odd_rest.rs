//! Exemption 4: batches of two, and one way for what is left over.

use dacapo::{activity, orchestrator};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator]
async fn pairs(items: Vec<u64>) -> u64 {
    let mut sum = 0;
    for pair in items.chunks(2) {
        match pair {
            [first, second] => {
                let (first, second) = dacapo::join!(price(*first), price(*second));
                sum += first + second;
            }
            [rest] => sum += price(*rest).await,
            _ => {}
        }
    }
    sum
}

fn main() {}
