use dacapo::orchestrator;

struct Total(u64);

fn total() -> Total {
    Total(1)
}

#[orchestrator]
async fn logs(n: u64) -> u64 {
    println!("{} of {n}", total());
    println!("{:?}", total().0.checked_add(n).map(Total));
    n
}

fn main() {}
