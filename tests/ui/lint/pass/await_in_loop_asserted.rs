//! Exemption 2: an assertion on a result ends the loop as `ensure!` and `if .. { panic!() }` do.

use dacapo::{activity, orchestrator};

#[activity]
async fn step(number: u64) -> u64 {
    number
}

#[orchestrator]
async fn asserted(numbers: Vec<u64>) {
    for number in numbers {
        let left = step(number).await;
        assert!(left > 0, "nothing is left after {number}");
    }
}

#[orchestrator]
async fn compared(numbers: Vec<u64>) {
    for number in numbers {
        let found = step(number).await;
        debug_assert_eq!(found, number);
    }
}

fn main() {}
