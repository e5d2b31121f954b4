//! What other processes have asked for, and what could not be delivered at once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::kernel::error::RuntimeError;
use crate::store::ErrorClass;
use crate::store::trouble::Backoff;
use crate::worker::Worker;
use crate::worker::message::Message;

impl Worker {
    /// Takes up what was just put into the inbox.
    pub(crate) fn scan_later(self: &Arc<Self>) {
        let worker = self.clone();
        self.spawn(async move { worker.scan().await });
    }

    /// Takes up what clients of other processes have asked for.
    pub(crate) async fn scan(self: &Arc<Self>) {
        let _one_at_a_time = self.scanning.lock().await;
        self.backlog.add_unseen();
        self.take_messages().await;
    }

    /// Hands on what is in the inbox and was not handed on yet. One at a time.
    pub(super) async fn take_messages(self: &Arc<Self>) {
        let messages = match self.store.messages(None, self.scanned.load(Ordering::Relaxed)).await {
            Ok(messages) => {
                self.unheard.store(false, Ordering::Relaxed);
                messages
            }
            Err(error) => return self.take_later(error),
        };
        for message in messages {
            match message.event {
                Ok(event) => {
                    let posted_for = Some(message.instance);
                    let deliver = Message { inbox: Some(message.number), posted_for, ..Message::of(event) };
                    self.route(&message.id.into(), deliver);
                }
                Err(error) => {
                    // Whoever it is for is parked when it is loaded.
                    tracing::error!(instance = message.id, %error, "failed to read a message; it stays in the inbox");
                    self.wake(&message.id);
                }
            }
            self.scanned.fetch_max(message.number, Ordering::Relaxed);
        }
        let scanned = self.scanned.load(Ordering::Relaxed);
        self.taken().retain(|number| *number > scanned);
    }

    /// Looks again until the inbox can be read.
    fn take_later(self: &Arc<Self>, error: RuntimeError) {
        if error.class() == ErrorClass::Fatal {
            return self.give_up(&error);
        }
        if self.unheard.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(%error, "failed to read the inbox; retrying");
        let worker = self.clone();
        self.spawn(async move {
            let mut backoff = Backoff::default();
            while worker.unheard.load(Ordering::Relaxed) && worker.check_running().is_ok() {
                tokio::time::sleep(backoff.pause()).await;
                worker.scan().await;
            }
        });
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes messages of the inbox that a turn delivers.
    pub(crate) fn take(&self, numbers: &[i64]) {
        let scanned = self.scanned.load(Ordering::Relaxed);
        if numbers.iter().any(|number| *number > scanned) {
            self.taken().extend(numbers);
        }
    }

    /// Whether a turn has delivered a message of the inbox already.
    pub(crate) fn has_taken(&self, number: i64) -> bool {
        self.taken().contains(&number)
    }
}
