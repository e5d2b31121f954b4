//! Automatic retention: what ended long enough ago is purged.
//!
//! Invariant: nothing is looked for before the earliest time at which something can be due.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{Either, join_all, pending, select};
use tokio::sync::Notify;

use crate::store::{Batch, ErrorClass, Status, StoreResult, Timestamp};
use crate::worker::shard::Shard;

/// How many instances are purged at a time: their transactions share one commit.
const CHUNK: usize = 128;

/// How soon to look again after a purge failed, or was refused because a sub-orchestration still runs.
const AGAIN: Duration = Duration::from_secs(60);

/// How long finished orchestrations are kept, by how they ended. What is not named is kept for ever.
///
/// A sub-orchestration is kept at least as long as its caller. Purging frees room in the database file for what comes next, so that
/// under steady work the file stops growing.
///
/// ```no_run
/// use std::time::Duration;
/// use dacapo::{Retention, Runtime};
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
///
/// # async fn example() -> dacapo::Result<()> {
/// let runtime = Runtime::builder("sqlite:orders.db").retention(Retention::completed(DAY).failed(30 * DAY)).open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    completed: Option<Duration>,
    failed: Option<Duration>,
    terminated: Option<Duration>,
}

impl Retention {
    /// Keeps completed orchestrations for `age` after their end.
    #[must_use]
    pub const fn completed(age: Duration) -> Self {
        Self { completed: Some(age), failed: None, terminated: None }
    }

    /// Keeps every finished orchestration for `age` after its end.
    #[must_use]
    pub const fn all(age: Duration) -> Self {
        Self { completed: Some(age), failed: Some(age), terminated: Some(age) }
    }

    /// Keeps failed ones for `age` after their end.
    #[must_use]
    pub const fn failed(mut self, age: Duration) -> Self {
        self.failed = Some(age);
        self
    }

    /// Keeps terminated ones for `age` after their end.
    #[must_use]
    pub const fn terminated(mut self, age: Duration) -> Self {
        self.terminated = Some(age);
        self
    }

    fn ages(self) -> impl Iterator<Item = (Status, Duration)> {
        let ages = [(Status::Completed, self.completed), (Status::Failed, self.failed), (Status::Terminated, self.terminated)];
        ages.into_iter().filter_map(|(status, age)| Some((status, age?)))
    }
}

/// What retention hears of the instances that end.
pub(crate) struct Ended {
    retention: Retention,
    heard: Notify,
}

impl Ended {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { retention, heard: Notify::new() }
    }

    /// An instance has ended, or the worker has stopped.
    pub(crate) fn notify(&self) {
        self.heard.notify_one();
    }
}

/// Purges what is due, and sleeps until something can be due again.
pub(crate) async fn retain(shard: Weak<Shard>, ended: Arc<Ended>) {
    let Some(shortest) = ended.retention.ages().map(|(_, age)| age).min() else { return };
    let Some(time) = shard.upgrade().map(|shard| shard.host.time.clone()) else { return };
    loop {
        let next = {
            let Some(shard) = shard.upgrade() else { return };
            if shard.check_running().is_err() {
                return;
            }
            let purge = || shard.purge_due(ended.retention);
            shard.patiently("purge expired orchestrations", purge).await.unwrap_or_else(|error| {
                if error.class() == ErrorClass::Permanent {
                    tracing::error!(%error, "retention failed to purge expired orchestrations; retrying in a minute");
                }
                Some(time.now().after(AGAIN))
            })
        };
        // What ends from here on is due after the shortest age at the earliest.
        let until = match next {
            Some(next) if next <= time.now().after(shortest) => next,
            _ => {
                let heard = pin!(ended.heard.notified());
                let due = next.map_or_else(|| pending().boxed(), |next| time.sleep_until(next));
                match select(heard, due).await {
                    Either::Left(_) => next.unwrap_or(Timestamp(i64::MAX)).min(time.now().after(shortest)),
                    Either::Right(_) => continue,
                }
            }
        };
        time.sleep_until(until).await;
    }
}

impl Shard {
    /// Purges what is due; tells when the next is.
    async fn purge_due(self: &Arc<Self>, retention: Retention) -> StoreResult<Option<Timestamp>> {
        loop {
            let (mut next, mut purged) = (None, 0);
            for (status, age) in retention.ages() {
                let (soonest, count) = self.purge_ended(status, age).await?;
                next = next.into_iter().chain(soonest).min();
                purged += count;
            }
            // What those have called that are gone now is due by its own age.
            if purged == 0 {
                return Ok(next);
            }
        }
    }

    /// The same for those that ended with one status; tells how many it purged, too.
    async fn purge_ended(self: &Arc<Self>, status: Status, age: Duration) -> StoreResult<(Option<Timestamp>, usize)> {
        let (mut refused, mut purged) = (0, 0);
        loop {
            let now = self.now();
            let ended = self.store.ended(status, CHUNK + refused).await?;
            let ended = ended.into_iter().skip(refused).map(|(key, at)| (key, at.after(age)));
            let (due, later): (Vec<_>, Vec<_>) = ended.partition(|(_, at)| *at <= now);
            let purges = due.iter().map(|(key, _)| self.apply(Batch { purge: vec![*key], ..Batch::default() }));
            let done = join_all(purges).await.iter().filter(|purged| purged.is_ok()).count();
            refused += due.len() - done;
            purged += done;
            if due.is_empty() || !later.is_empty() {
                let next = later.first().map(|(_, at)| *at);
                return Ok((next.into_iter().chain((refused > 0).then(|| now.after(AGAIN))).min(), purged));
            }
        }
    }
}
