use dacapo::orchestrator;
use futures::StreamExt;
use futures::channel::mpsc::Receiver;

#[orchestrator]
async fn run() -> Option<u32> {
    let (_, mut numbers): (_, Receiver<u32>) = futures::channel::mpsc::channel(1);
    numbers.next().await
}

fn main() {}
