//! What looks like a call that is thrown away: plain functions, results, started calls, calls that are given on.

use dacapo::{Activity, activity, orchestrator};
use futures::future::try_join_all;

#[activity]
async fn notify(name: String) -> dacapo::Result<String> {
    Ok(name)
}

fn log(name: &str) -> usize {
    name.len()
}

mod plain {
    pub fn notify(name: &str) -> usize {
        name.len()
    }
}

#[orchestrator]
async fn finish(names: Vec<String>) -> dacapo::Result<()> {
    log("started");
    let _ = log("still");
    plain::notify("nobody");
    let _ = notify("first".to_owned()).await;
    notify("second".to_owned()).await.ok();
    let _: Result<_, _> = notify("third".to_owned()).checked().await;
    let handle = notify("fourth".to_owned()).start();
    let calls: Vec<Activity<_>> = names.into_iter().map(notify).collect();
    try_join_all(calls).await?;
    handle.await?;
    dacapo::set_custom_status("done");
    Ok(())
}

fn main() {}
