//! What is to be run and is not in memory. Beyond the worker's limit the store is the queue: a start, a sub-orchestration or
//! an instance with a due timer waits there until another one has ended, rests or waits for others only.
//!
//! Invariant: every busy instance that is not loaded has a key above the cursor.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::lock::{Held, Lock};
use crate::store::{ErrorClass, InstanceKey, Runnable, StoreResult, Timestamp};
use crate::worker::shard::Shard;

/// At most so many are asked for at once.
const PAGE: usize = 1_000;

/// Where to look for what is to be run.
#[derive(Default)]
pub(crate) struct Backlog {
    places: Lock<Places>,
    changed: Notify,
}

#[derive(Default)]
struct Places {
    /// Busy instances with a greater key may wait in the store.
    after: Option<InstanceKey>,
    /// The least cursor that was asked for while a page was read.
    meanwhile: Option<InstanceKey>,
    /// Whether timers of stored instances are due.
    due: bool,
    /// The greatest key that a whole look at the store has seen.
    seen: InstanceKey,
    stopped: bool,
}

impl Backlog {
    fn places(&self) -> Held<'_, Places> {
        self.places.lock()
    }

    /// An instance with this key waits in the store.
    pub(crate) fn add(&self, key: InstanceKey) {
        let mut places = self.places();
        let before = key - 1;
        places.after = Some(places.after.map_or(before, |after| after.min(before)));
        places.meanwhile = Some(places.meanwhile.map_or(before, |after| after.min(before)));
        drop(places);
        self.changed.notify_one();
    }

    /// Instances that this process has not seen yet may wait in the store.
    pub(crate) fn add_unseen(&self) {
        let next = self.places().seen + 1;
        self.add(next);
    }

    /// Timers of stored instances are due.
    pub(crate) fn add_due(&self) {
        self.places().due = true;
        self.changed.notify_one();
    }

    /// There may be room for what waits.
    pub(crate) fn made_room(&self) {
        let places = self.places();
        if places.after.is_some() || places.due {
            self.changed.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.places().stopped = true;
        self.changed.notify_one();
    }

    /// What to ask the store for, when there is room for `room` instances beside the `loaded` ones.
    fn next(&self, now: Timestamp, room: usize, loaded: usize) -> Option<Runnable> {
        let mut places = self.places();
        if places.stopped || room == 0 {
            return None;
        }
        places.meanwhile = None;
        if places.due {
            // Those that are loaded may be among the due ones.
            return Some(Runnable::Due { now, limit: room.min(PAGE) + loaded });
        }
        places.after.map(|after| Runnable::Busy { after, limit: room.min(PAGE) })
    }

    /// A page of busy instances has been read.
    fn read(&self, last: Option<InstanceKey>, is_full: bool) {
        let mut places = self.places();
        if let Some(last) = last {
            places.seen = places.seen.max(last);
        }
        let rest = last.filter(|_| is_full);
        places.after = rest.into_iter().chain(places.meanwhile.take()).min();
    }
}

impl Shard {
    /// Loads from the backlog as long as there is room for more.
    async fn refill(self: &Arc<Self>) -> StoreResult<()> {
        loop {
            let (room, loaded) = self.residents.room();
            let Some(which) = self.backlog.next(self.now(), room, loaded) else { return Ok(()) };
            let page = self.patiently("look for runnable orchestrations", || self.store.runnable(which)).await?;
            let read = page.len();
            let last = page.last().map(|(key, _)| *key);
            // One that is in the map is told as well: it may be a start that is about to be refused because the id exists.
            let mut unloaded = 0;
            for (_, id) in page {
                unloaded += usize::from(!self.residents.instances.contains(&id));
                if unloaded > room {
                    break;
                }
                self.wake(&id.into());
            }
            match which {
                Runnable::Busy { limit, .. } => self.backlog.read(last, read == limit),
                Runnable::Due { limit, .. } => {
                    if read < limit || unloaded == 0 {
                        self.backlog.places().due = false;
                        // One that is due but loaded is woken by its own entry; the next look is for those to come.
                        let next = self.patiently("look for the next timer", || self.store.next_wake()).await?;
                        self.clock.set_stored(next.map(|at| at.max(self.now().after(Duration::from_secs(1)))));
                    }
                }
            }
            self.trim();
        }
    }
}

/// Refills a shard whenever there is something to load and room for it.
pub(crate) async fn keep_filled(shard: Weak<Shard>, backlog: Arc<Backlog>) {
    loop {
        backlog.changed.notified().await;
        let Some(shard) = shard.upgrade() else { return };
        if backlog.places().stopped {
            return;
        }
        if let Err(error) = shard.refill().await
            && error.class() == ErrorClass::Permanent
        {
            tracing::error!(%error, "failed to look for runnable orchestrations; retrying in a minute");
            let pause = shard.host.time.sleep(Duration::from_secs(60));
            drop(shard);
            pause.await;
            backlog.changed.notify_one();
        }
    }
}
