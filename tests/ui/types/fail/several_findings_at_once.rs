use dacapo::{activity, orchestrator};

#[activity(retries = 3)]
async fn greet<T>(name: &str, times: &mut u32) -> &'static str {
    name
}

#[orchestrator]
async fn run() -> u32 {
    let wrong: String = 1;
    let all = std::iter::once(1).map(async |n| n);
    vendor!(std::future::ready(1).await)
}

fn main() {}
