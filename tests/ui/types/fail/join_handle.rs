use dacapo::orchestrator;

async fn work() -> u32 {
    1
}

#[orchestrator]
async fn spawns() -> u32 {
    tokio::spawn(work()).await.unwrap_or(0)
}

fn main() {}
