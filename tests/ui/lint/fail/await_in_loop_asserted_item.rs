//! An assertion on the item says nothing about a result.

use dacapo::{activity, orchestrator};

#[activity]
async fn step(number: u64) -> u64 {
    number
}

#[orchestrator]
async fn all(numbers: Vec<u64>) {
    for number in numbers {
        assert!(number > 0);
        step(number).await;
    }
}

fn main() {}
