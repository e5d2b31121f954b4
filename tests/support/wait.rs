//! Waiting until somebody else has got somewhere. A wait that lasts too long fails its test.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::time::Duration;

use dacapo::{Client, InstanceStatus, Status};

/// Asks again and again until the answer is yes.
pub(crate) async fn until(what: &str, reached: impl AsyncFnMut() -> bool) {
    until_within(Duration::from_secs(30), what, reached).await;
}

/// The same with a limit of its own.
pub(crate) async fn until_within(limit: Duration, what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Gives what comes of `work`. Nothing a test waits for takes a minute, whatever the machine does beside it.
pub(crate) async fn in_time<T>(what: &str, work: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits until a history has so many turns.
pub(crate) async fn has_turns(client: &Client, id: &str, turns: usize) {
    let counted = async || client.history(id).await.is_ok_and(|history| history.len() >= turns);
    until(&format!("{turns} turns of {id}"), counted).await;
}

/// Waits until the status is as wanted.
pub(crate) async fn reaches(client: &Client, id: &str, wanted: Status) -> InstanceStatus {
    until_status(client, id, &format!("{id} is {wanted}"), |status| status.runtime_status() == wanted).await
}

/// Waits until a status has a report, as that of a parked run has.
pub(crate) async fn reported(client: &Client, id: &str) -> InstanceStatus {
    until_status(client, id, &format!("{id} is reported"), |status| status.report().is_some()).await
}

/// The first status that is as wanted. To ask once more could give another: a run that is parked is tried again.
pub(crate) async fn until_status(
    client: &Client,
    id: &str,
    what: &str,
    wanted: impl Fn(&InstanceStatus) -> bool,
) -> InstanceStatus {
    let mut found = None;
    until(what, async || {
        found = client.status(id).await.ok().filter(|status| wanted(status));
        found.is_some()
    })
    .await;
    found.expect("it was found")
}
