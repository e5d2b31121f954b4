//! The library under another name.

pub mod vendor {
    pub mod engine {
        pub use dacapo::*;
    }
}

use vendor::engine::{activity, orchestrator};

#[activity(crate = crate::vendor::engine, retry = vendor::engine::Retry::none())]
async fn price(item: u64) -> u64 {
    item
}

#[activity(crate = crate::vendor::engine)]
fn plain(item: u64) -> u64 {
    item
}

#[orchestrator(crate = crate::vendor::engine)]
async fn run() -> u64 {
    println!("started");
    let branch = async { price(1).await };
    branch.await + plain(1).await
}

macro_rules! define {
    ($name:ident) => {
        #[dacapo::activity(crate = ::dacapo)]
        async fn $name(n: u64) -> u64 {
            n
        }
    };
}

define!(made);

fn main() {
    let _ = (run(), made(1));
}
