//! Another machine has another number of cores.

use std::thread;

#[dacapo::orchestrator]
async fn lanes(wanted: usize) -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(wanted))
}

fn main() {}
