//! What is to be run and is not in memory. Beyond the limit the store is the queue: a start, a sub-orchestration or an instance with a due
//! timer waits there until another one has ended, rests or waits for others only.
//!
//! Invariant: an instance that is busy and not in memory is new, or was left by the worker before and is gone through once.

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
    /// Of what the worker before has left, instances with a greater key have not been looked at.
    left: Option<InstanceKey>,
    /// Whether new instances may wait in the store.
    new: bool,
    /// Whether timers of stored instances are due.
    due: bool,
    stopped: bool,
}

impl Backlog {
    fn places(&self) -> Held<'_, Places> {
        self.places.lock()
    }

    /// A worker has taken over: all that is busy waits in the store.
    pub(crate) fn take_over(&self) {
        self.places().left = Some(0);
        self.changed.notify_one();
    }

    /// New instances may wait in the store.
    pub(crate) fn add_new(&self) {
        self.places().new = true;
        self.changed.notify_one();
    }

    /// Timers of stored instances are due.
    pub(crate) fn add_due(&self) {
        self.places().due = true;
        self.changed.notify_one();
    }

    /// There may be room for what waits.
    pub(crate) fn made_room(&self) {
        let places = self.places();
        if places.left.is_some() || places.new || places.due {
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
        // Those that are loaded may be among the due and the new ones.
        let limit = room.min(PAGE) + loaded;
        if places.due {
            return Some(Runnable::Due { now, limit });
        }
        if let Some(after) = places.left {
            return Some(Runnable::Busy { after, limit: room.min(PAGE) });
        }
        // What comes while the page is read is asked for anew.
        std::mem::take(&mut places.new).then_some(Runnable::New { limit })
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
            let is_full = |limit| read >= limit && unloaded > 0;
            match which {
                Runnable::Busy { limit, .. } => self.backlog.places().left = last.filter(|_| read == limit),
                Runnable::New { limit } => self.backlog.places().new |= is_full(limit) || unloaded > room,
                Runnable::Due { limit, .. } => {
                    if !is_full(limit) {
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
