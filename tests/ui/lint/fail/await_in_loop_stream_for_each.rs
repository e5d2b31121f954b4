//! `for_each` runs its body for one item after another.

use dacapo::{activity, orchestrator};
use futures::stream::{self, StreamExt as _};

#[activity]
async fn notify(name: String) {
    drop(name);
}

#[orchestrator]
async fn notify_all(names: Vec<String>) {
    stream::iter(names)
        .for_each(|name| async move {
            notify(name).await;
        })
        .await;
}

fn main() {}
