//! What other processes have asked for, and what could not be delivered at once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::store::kept::is_unreadable;
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
        match self.store.messages(None, self.scanned.load(Ordering::Relaxed)).await {
            Ok(messages) => {
                for mut message in messages {
                    if is_unreadable(&mut message.event) {
                        tracing::error!(instance = message.id, "an event cannot be decoded; it is left in the inbox");
                        self.wake(&message.id);
                        continue;
                    }
                    let posted_for = Some(message.instance);
                    let deliver = Message { inbox: Some(message.number), posted_for, ..Message::of(message.event) };
                    self.route(&message.id.into(), deliver);
                    self.scanned.fetch_max(message.number, Ordering::Relaxed);
                }
            }
            Err(error) => tracing::error!(%error, "requests of other processes could not be read"),
        }
        let scanned = self.scanned.load(Ordering::Relaxed);
        self.taken().retain(|number| *number > scanned);
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
