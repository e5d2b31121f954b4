//! `#[sequential]` on a loop that awaits nothing says something untrue.

#[dacapo::orchestrator]
async fn total(amounts: Vec<u64>) -> u64 {
    let mut total = 0;
    #[sequential]
    for amount in amounts {
        total += amount;
    }
    total
}

fn main() {}
