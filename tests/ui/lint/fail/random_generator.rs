//! The thread's generator as an argument of a method.

use rand::seq::SliceRandom as _;

#[dacapo::orchestrator]
async fn deal(mut cards: Vec<u8>) -> Vec<u8> {
    cards.shuffle(&mut rand::rng());
    cards
}

fn main() {}
