//! What a worker does about errors of its store: it waits for what passes, and stops when nothing will ever be written again.

use std::future::Future;
use std::sync::Arc;

use crate::kernel::batch::{Applied, Refused};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::answers::shutting_down;
use crate::kernel::machine::instance::Post;
use crate::kernel::machine::message::Ack;
use crate::kernel::stored::InstanceKey;
use crate::store::trouble::Backoff;
use crate::store::{Batch, ErrorClass, StoreResult};
use crate::worker::shard::Shard;

impl Shard {
    /// Asks the store until it answers. An error is a permanent one, or the end of the worker.
    pub(super) async fn patiently<T, F>(self: &Arc<Self>, what: &str, ask: impl Fn() -> F) -> StoreResult<T>
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
            self.host.time.sleep(backoff.pause()).await;
        }
    }

    /// Takes messages out of the inbox that nobody will take into a history.
    pub(super) fn discard(self: &Arc<Self>, numbers: Vec<i64>) {
        if numbers.is_empty() {
            return;
        }
        let shard = self.clone();
        self.host.spawn(async move {
            let batch = || shard.apply(Batch { consume: numbers.clone(), ..Batch::default() });
            if let Err(error) = shard.patiently("take messages out of the inbox", batch).await
                && error.class() == ErrorClass::Permanent
            {
                tracing::error!(%error, "failed to take messages out of the inbox");
            }
        });
    }

    /// Puts messages into the inbox of an instance, and answers those who sent them. They are on their way when this returns, in their order.
    pub(super) fn post(self: &Arc<Self>, instance: InstanceKey, posts: Vec<Post>) {
        if posts.is_empty() {
            return;
        }
        let (events, acks): (Vec<_>, Vec<_>) = posts.into_iter().map(|post| ((instance, post.event), post.ack)).unzip();
        let written = self.send_batch(Batch { post: events, ..Batch::default() });
        let shard = self.clone();
        self.host.spawn(async move { shard.posted(acks, shard.written(written.await)).await });
    }

    /// Answers those who have sent messages to an inbox. What nobody can be told of, as the outcome of an activity, gets there later.
    async fn posted(self: &Arc<Self>, acks: Vec<Option<Ack>>, result: Result<Applied, Box<Refused>>) {
        let Err(refused) = result else {
            return acks.into_iter().flatten().for_each(|ack| drop(ack.send(Ok(()))));
        };
        let Refused { error, mut batch } = *refused;
        let mut sent = acks.iter();
        batch.post.retain(|_| sent.next().is_some_and(Option::is_none));
        acks.into_iter().flatten().for_each(|ack| drop(ack.send(Err(error.clone()))));
        if error.class() == ErrorClass::Passing && !batch.post.is_empty() {
            let again = self.patiently("keep a message for later", || self.apply(batch.clone())).await;
            if again.is_ok() {
                // Whoever was resumed meanwhile finds it by this.
                self.scan_later();
            }
        }
    }

    /// Stops for good: the store will answer nothing any more. Everybody is told `error`.
    pub(super) fn give_up(self: &Arc<Self>, error: &RuntimeError) {
        // A store that this worker has closed has not failed.
        if error.kind() == ErrorKind::ShuttingDown || self.is_stopped() || self.failed.set(error.clone()).is_err() {
            return;
        }
        tracing::error!(%error, "the worker has stopped");
        // Not here, where a machine may wait for its answer.
        let shard = self.clone();
        self.host.spawn(async move { shard.stop() });
    }

    /// Why nothing is done any more.
    pub(super) fn stopped_by(&self) -> RuntimeError {
        self.failed.get().cloned().unwrap_or_else(shutting_down)
    }

    pub(super) fn check_running(&self) -> StoreResult<()> {
        if self.is_stopped() || self.failed.get().is_some() { Err(self.stopped_by()) } else { Ok(()) }
    }
}
