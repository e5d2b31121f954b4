use dacapo::entity;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
}

struct Opaque;

#[entity]
impl Counter {
    fn look(&self) -> Opaque {
        let _ = self.value;
        Opaque
    }
}

fn main() {}
