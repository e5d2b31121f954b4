//! What a thread keeps is another thing on another thread.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

#[dacapo::orchestrator]
async fn depth() -> u32 {
    DEPTH.with(Cell::get)
}

fn main() {}
