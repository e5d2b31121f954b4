use std::rc::Rc;

use dacapo::{activity, orchestrator};

#[activity]
async fn ping() {}

#[orchestrator]
async fn run() -> u32 {
    let shared = Rc::new(1);
    ping().await;
    *shared
}

fn main() {}
