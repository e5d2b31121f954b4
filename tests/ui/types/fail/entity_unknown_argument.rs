use dacapo::entity;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
}

#[entity(version = 2)]
impl Counter {
    fn get(&self) -> i64 {
        self.value
    }
}

fn main() {}
