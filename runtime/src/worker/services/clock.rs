//! When to wake which instance: one entry for each loaded one, one for all that are only stored.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use futures::future::select;
use tokio::sync::Notify;

use crate::kernel::machine::instance::Input;
use crate::kernel::time::Timestamp;
use crate::lock::Lock;
use crate::time::Time;
use crate::worker::shard::Shard;

/// The due times of a worker.
pub(crate) struct Clock {
    time: Arc<dyn Time>,
    due: Lock<DueTimes>,
    earlier: Notify,
}

#[derive(Default)]
struct DueTimes {
    loaded: BTreeSet<(Timestamp, Arc<str>)>,
    stored: Option<Timestamp>,
    stopped: bool,
}

/// Wakes what is due, until the clock is stopped.
pub(crate) async fn keep_time(shard: Weak<Shard>, clock: Arc<Clock>) {
    while let Some(fired) = clock.fired().await
        && let Some(shard) = shard.upgrade()
    {
        for id in fired.instances {
            if let Some(instance) = shard.residents.instances.get(&id) {
                shard.tell(&instance, Input::Due);
            }
        }
        if fired.stored {
            shard.backlog.add_due();
        }
    }
}

/// Timers that have fired.
pub(crate) struct Fired {
    pub(crate) instances: Vec<Arc<str>>,
    pub(crate) stored: bool,
}

impl Clock {
    pub(crate) fn new(time: Arc<dyn Time>) -> Self {
        Self { time, due: Lock::default(), earlier: Notify::new() }
    }

    /// Moves the entry of a loaded instance.
    pub(crate) fn set(&self, id: &Arc<str>, old: Option<Timestamp>, new: Option<Timestamp>) {
        if old == new {
            return;
        }
        let mut due = self.due.lock();
        let first = due.first();
        if let Some(old) = old {
            due.loaded.remove(&(old, id.clone()));
        }
        if let Some(new) = new {
            due.loaded.insert((new, id.clone()));
        }
        self.tell(&due, first);
    }

    /// Notes that an instance which is not loaded is due at `at`.
    pub(crate) fn set_stored(&self, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        let mut due = self.due.lock();
        let first = due.first();
        due.stored = Some(due.stored.map_or(at, |stored| stored.min(at)));
        self.tell(&due, first);
    }

    /// Stops the clock: nothing fires any more.
    pub(crate) fn stop(&self) {
        self.due.lock().stopped = true;
        self.earlier.notify_one();
    }

    fn tell(&self, due: &DueTimes, first: Option<Timestamp>) {
        if due.first().is_some_and(|now_first| first.is_none_or(|first| now_first < first)) {
            self.earlier.notify_one();
        }
    }

    /// Waits until something is due, and takes it off; nothing when the clock was stopped.
    pub(crate) async fn fired(&self) -> Option<Fired> {
        loop {
            let now = self.time.now();
            let first = {
                let mut due = self.due.lock();
                if due.stopped {
                    return None;
                }
                let first = due.first();
                if first.is_some_and(|first| first <= now) {
                    return Some(due.take(now));
                }
                first
            };
            match first {
                Some(first) => {
                    let earlier = std::pin::pin!(self.earlier.notified());
                    select(earlier, self.time.sleep_until(first)).await;
                }
                None => self.earlier.notified().await,
            }
        }
    }
}

impl DueTimes {
    fn first(&self) -> Option<Timestamp> {
        let loaded = self.loaded.first().map(|(at, _)| *at);
        loaded.into_iter().chain(self.stored).min()
    }

    fn take(&mut self, now: Timestamp) -> Fired {
        let stored = self.stored.is_some_and(|at| at <= now);
        if stored {
            self.stored = None;
        }
        let mut instances = Vec::new();
        while self.loaded.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, id)) = self.loaded.pop_first()
        {
            instances.push(id);
        }
        Fired { instances, stored }
    }
}
