//! The rule switched off for one orchestrator, with the reason.

use dacapo::{activity, orchestrator};

#[activity]
async fn print(page: u64) {
    println!("{page}");
}

#[orchestrator(allow(await_in_loop, reason = "the printer takes one page at a time"))]
async fn pages(pages: Vec<u64>) {
    for page in pages {
        print(page).await;
    }
}

fn main() {}
