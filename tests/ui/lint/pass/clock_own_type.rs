//! A type of one's own called `Instant` is no clock, nor is a value with a method called `elapsed`.

mod sport {
    pub struct Instant(pub u64);

    impl Instant {
        pub fn now() -> Self {
            Self(90)
        }

        pub fn elapsed(&self) -> u64 {
            self.0
        }
    }
}

use sport::Instant;

#[dacapo::orchestrator]
async fn minute(extra: u64) -> u64 {
    Instant::now().elapsed() + extra
}

fn main() {}
