//! Randomness from the system by its full path, with a turbofish.

#[dacapo::orchestrator]
async fn roll() -> u8 {
    rand::random::<u8>() % 6
}

fn main() {}
