//! How many runs work at once: the places of [`Builder::max_concurrent_orchestrators`](crate::Builder::max_concurrent_orchestrators).
//!
//! A run with a place waits for activities only, never for another run, so no two can block each other.
//!
//! Invariant: while somebody stands in the line, no place is free.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::kernel::machine::instance::{Input, Instance};
use crate::lock::Lock;
use crate::worker::residents::Resident;
use crate::worker::shard::Shard;

/// The places of a process, if they are limited.
pub(crate) struct Places(Option<Lock<Line>>);

struct Line {
    free: usize,
    waiting: VecDeque<Weak<Resident<Instance>>>,
}

impl Places {
    /// With so many places, at least one.
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self(limit.map(|limit| Lock::leaf(Line { free: limit.max(1), waiting: VecDeque::new() })))
    }

    pub(crate) fn are_limited(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a place, if one is free.
    pub(crate) fn take(&self) -> bool {
        self.0.as_ref().is_none_or(|line| line.lock().take())
    }

    /// The same; otherwise the instance stands in the line.
    pub(crate) fn take_or_wait(&self, instance: &Arc<Resident<Instance>>) -> bool {
        let Some(line) = &self.0 else { return true };
        let mut line = line.lock();
        let taken = line.take();
        if !taken {
            line.waiting.push_back(Arc::downgrade(instance));
        }
        taken
    }
}

impl Line {
    fn take(&mut self) -> bool {
        let is_free = self.free > 0;
        self.free -= usize::from(is_free);
        is_free
    }

    /// Who gets a place that was given back.
    fn next(&mut self) -> Option<Arc<Resident<Instance>>> {
        let next = std::iter::from_fn(|| self.waiting.pop_front()).find_map(|next| next.upgrade());
        self.free += usize::from(next.is_none());
        next
    }
}

impl Shard {
    /// Gives a place back, to whoever has waited longest.
    pub(super) fn release_place(self: &Arc<Self>) {
        let next = self.host.places.0.as_ref().and_then(|line| line.lock().next());
        if let Some(next) = next {
            // Its effects may give the place back again, and so on down the line.
            let shard = next.shard.upgrade().unwrap_or_else(|| self.clone());
            self.host.spawn(async move { shard.tell(&next, Input::Placed) });
        }
    }
}
