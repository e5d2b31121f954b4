//! A type of one's own called `Uuid`, and a function called `new_v4`.

mod ids {
    #[derive(Debug)]
    pub struct Uuid(pub u128);

    impl Uuid {
        pub fn new_v4(seed: u128) -> Self {
            Self(seed << 4)
        }
    }

    pub fn now_v7(seed: u128) -> u128 {
        seed
    }
}

use ids::{Uuid, now_v7};

#[dacapo::orchestrator]
async fn label(name: String) -> String {
    format!("{name}-{:?}-{}", Uuid::new_v4(7), now_v7(1))
}

fn main() {}
