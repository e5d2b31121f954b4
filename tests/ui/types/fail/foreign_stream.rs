use std::task::Poll;

use dacapo::orchestrator;
use futures::stream::{Stream, StreamExt, poll_fn};

fn numbers() -> impl Stream<Item = u32> + Unpin + Send {
    poll_fn(|_| Poll::Ready(Some(1)))
}

#[orchestrator]
async fn run() -> Option<u32> {
    numbers().next().await
}

fn main() {}
