//! The store of a client whose worker is in another process.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch as notice;

use crate::store::kept::Kept;
use crate::store::{ErrorClass, StoreResult};
use crate::worker::shutting_down;

/// A store whose worker is somewhere else.
pub(super) struct Remote {
    pub(super) store: Kept,
    pub(super) changed: notice::Receiver<()>,
}

/// How soon a client of another process looks again after it heard of a write, and how often when it hears nothing.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Remote {
    /// Looks whenever something was written, until there is an answer.
    pub(super) async fn look_until<'a, T>(&'a self, look: impl Fn() -> BoxFuture<'a, StoreResult<Option<T>>>) -> StoreResult<T> {
        let mut changed = self.changed.clone();
        let mut pause = SHORTEST_PAUSE;
        loop {
            changed.mark_unchanged();
            match look().await {
                Ok(Some(found)) => return Ok(found),
                Err(error) if error.class() != ErrorClass::Passing => return Err(error),
                Err(error) => tracing::warn!(%error, "failed to read the store; retrying"),
                Ok(None) => {}
            }
            // A write is heard of a moment before it can be read, so one look at once is not enough.
            pause = match tokio::time::timeout(pause, changed.changed()).await {
                Ok(heard) => heard.map(|()| SHORTEST_PAUSE).map_err(|_| shutting_down())?,
                Err(_) => (2 * pause).min(LONGEST_PAUSE),
            };
        }
    }
}
