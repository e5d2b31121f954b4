//! A channel is not in the history.

use tokio::sync::oneshot;

#[dacapo::orchestrator]
async fn answer(n: u32) -> Option<u32> {
    let (sender, mut receiver) = oneshot::channel();
    sender.send(n).ok();
    receiver.try_recv().ok()
}

fn main() {}
