//! The functions that set `v2` added. What a set was written by is never changed: a later set may add to it.

use dacapo::{Error, Result, Retry, activity, orchestrator};

use crate::runs::{GO, LATER, WORD, double};

/// Fails in its first attempt with an error that says when to try again, after the set was written.
#[activity(retry = Retry::fixed(std::time::Duration::from_millis(1)).max_attempts(2))]
pub(crate) async fn busy() -> Result<u32> {
    let attempt = dacapo::activity::attempt();
    if attempt == 1 { Err(Error::msg("too many requests").retry_after(LATER)) } else { Ok(attempt) }
}

#[orchestrator]
pub(crate) async fn asks() -> Result<u32> {
    busy().await
}

/// Takes an event that it cannot read for a failure, and waits for another.
#[orchestrator]
pub(crate) async fn checks(n: u32) -> u32 {
    let was_unreadable = GO.wait().checked().await.is_err();
    double(n).await + u32::from(was_unreadable) + GO.wait().await
}

/// Leaves to its second execution what was raised to the first.
#[orchestrator]
pub(crate) async fn hands_over(generation: u32) -> String {
    let number = GO.wait().await;
    if generation == 1 {
        return dacapo::continue_as_new(hands_over(2)).await;
    }
    format!("{} {number}", WORD.wait().await)
}
