//! What a worker does about errors of its store: it waits for what passes, and stops when nothing will ever be written again.

use std::future::Future;
use std::sync::Arc;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::trouble::Backoff;
use crate::store::{Batch, ErrorClass, StoreResult};
use crate::worker::{Worker, shutting_down};

impl Worker {
    /// Asks the store until it answers. An error is a permanent one, or the end of the worker.
    pub(crate) async fn patiently<T, F>(self: &Arc<Self>, what: &str, ask: impl Fn() -> F) -> StoreResult<T>
    where
        F: Future<Output = StoreResult<T>>,
    {
        let mut backoff = Backoff::default();
        loop {
            self.check_running()?;
            let error = match ask().await {
                Err(error) if error.class() == ErrorClass::Passing => error,
                Err(error) if error.class() == ErrorClass::Fatal => {
                    self.give_up(&error);
                    return Err(error);
                }
                answer => return answer,
            };
            if backoff.is_news() {
                tracing::warn!(%error, "failed to {what}; retrying");
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// Takes messages out of the inbox that nobody will take into a history.
    pub(crate) fn discard(self: &Arc<Self>, numbers: Vec<i64>) {
        if numbers.is_empty() {
            return;
        }
        let worker = self.clone();
        self.spawn(async move {
            let batch = || worker.apply(Batch { consume: numbers.clone(), ..Batch::default() });
            if let Err(error) = worker.patiently("take messages out of the inbox", batch).await
                && error.class() == ErrorClass::Permanent
            {
                tracing::error!(%error, "failed to take messages out of the inbox");
            }
        });
    }

    /// Stops for good: the store will answer nothing any more. Everybody is told `error`.
    pub(crate) fn give_up(self: &Arc<Self>, error: &RuntimeError) {
        // A store that this worker has closed has not failed.
        if error.kind() == ErrorKind::ShuttingDown || self.is_stopped() || self.ended.set(error.clone()).is_err() {
            return;
        }
        tracing::error!(%error, "the worker has stopped");
        // Not here, which may be the store's thread.
        let worker = self.clone();
        self.spawn(async move { worker.stop() });
    }

    /// Why nothing is done any more.
    pub(crate) fn stopped_by(&self) -> RuntimeError {
        self.ended.get().cloned().unwrap_or_else(shutting_down)
    }

    pub(crate) fn check_running(&self) -> StoreResult<()> {
        if self.is_stopped() || self.ended.get().is_some() { Err(self.stopped_by()) } else { Ok(()) }
    }
}
