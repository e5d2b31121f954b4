use std::future::Future;
use std::pin::Pin;

use dacapo::orchestrator;

type Later = Pin<Box<dyn Future<Output = u32> + Send>>;

#[orchestrator]
async fn run() -> u32 {
    let later: Later = Box::pin(std::future::ready(1));
    later.await
}

fn main() {}
