//! The keys of a hasher are random.

use std::hash::{BuildHasher, RandomState};

#[dacapo::orchestrator]
async fn bucket(name: String) -> u64 {
    RandomState::new().hash_one(name) % 16
}

fn main() {}
