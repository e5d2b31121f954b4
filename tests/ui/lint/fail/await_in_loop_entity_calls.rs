//! Calls of entities, each of another.

use dacapo::{entity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    fn add(&mut self, n: i64) -> i64 {
        self.value += n;
        self.value
    }
}

#[orchestrator]
async fn count(keys: Vec<String>) {
    for key in keys {
        Counter::at(key).add(1).await;
    }
}

fn main() {}
