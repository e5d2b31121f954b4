//! A task whose handle is awaited later is one error, not two.

#[dacapo::orchestrator]
async fn finish(name: String) -> String {
    let handle = tokio::spawn(async move { name });
    handle.await.unwrap_or_default()
}

fn main() {}
