#[dacapo::orchestrator]
async fn total(items: &[u64]) -> u64 {
    items.iter().sum()
}

fn main() {}
