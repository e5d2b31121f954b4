use dacapo::orchestrator;

async fn helper(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn run(n: u32) -> u32 {
    helper(n).await
}

fn main() {}
