//! A generator seeded from data draws the same numbers every time, and so does the turn's own.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};

fn pick(rng: &mut impl Rng, below: usize) -> usize {
    rng.random_range(0..below)
}

#[dacapo::orchestrator]
async fn deal(mut cards: Vec<u8>, seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    cards.shuffle(&mut rng);
    let first = pick(&mut rng, cards.len());
    cards.rotate_left(first);
    cards.truncate(pick(&mut dacapo::rng(), 5));
    cards
}

fn main() {}
