use dacapo::entity;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    async fn wait(&mut self) {}

    fn take(self) -> i64 {
        self.value
    }

    fn twice(n: i64) -> i64 {
        2 * n
    }

    fn keep<T>(&mut self, value: T) {
        drop(value);
    }

    fn name(&mut self, name: &str) {
        self.value = name.len() as i64;
    }

    fn at(&self) -> i64 {
        self.value
    }
}

fn main() {}
