//! How many runs work at once: the places of [`Builder::max_concurrent_orchestrators`](crate::Builder::max_concurrent_orchestrators).
//!
//! A run takes a place for a turn, keeps it while one of its activities is unfinished, and gives it back otherwise. So a run with a
//! place waits for activities only, never for another run, and no two can block each other.
//!
//! Invariant: while somebody stands in the line, no place is free.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::store::Status;
use crate::worker::Worker;
use crate::worker::instance::{Inner, Instance, Phase};
use crate::worker::message::Message;
use crate::worker::parking::{Change, Kept, wrong_state};

/// The places of a worker, if they are limited.
pub(crate) struct Places(Option<Mutex<Line>>);

struct Line {
    free: usize,
    waiting: VecDeque<Weak<Instance>>,
}

impl Places {
    /// With so many places, at least one.
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self(limit.map(|limit| Mutex::new(Line { free: limit.max(1), waiting: VecDeque::new() })))
    }

    fn line(&self) -> Option<MutexGuard<'_, Line>> {
        self.0.as_ref().map(|line| line.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a place, if one is free.
    pub(crate) fn take(&self) -> bool {
        self.line().is_none_or(|mut line| line.take())
    }

    fn take_or_wait(&self, instance: &Arc<Instance>) -> bool {
        self.line().is_none_or(|mut line| {
            let taken = line.take();
            if !taken {
                line.waiting.push_back(Arc::downgrade(instance));
            }
            taken
        })
    }
}

impl Line {
    fn take(&mut self) -> bool {
        let is_free = self.free > 0;
        self.free -= usize::from(is_free);
        is_free
    }

    /// Who gets a place that was given back.
    fn next(&mut self) -> Option<Arc<Instance>> {
        let next = std::iter::from_fn(|| self.waiting.pop_front()).find_map(|next| next.upgrade());
        self.free += usize::from(next.is_none());
        next
    }
}

impl Worker {
    /// Gives a place back, to whoever has waited longest.
    pub(crate) fn release_place(self: &Arc<Self>) {
        let next = self.places.line().and_then(|mut line| line.next());
        if let Some(next) = next {
            let worker = self.clone();
            self.spawn(async move { next.placed(&worker) });
        }
    }
}

impl Instance {
    /// Takes a place, unless the run has one. Otherwise the run stands in line.
    pub(super) fn take_place(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner) -> bool {
        inner.has_place = inner.has_place || worker.places.take_or_wait(self);
        inner.in_line = !inner.has_place;
        inner.has_place
    }

    /// Gives the place back, if the run has one.
    pub(super) fn leave_place(&self, worker: &Arc<Worker>, inner: &mut Inner) {
        if std::mem::take(&mut inner.has_place) {
            worker.release_place();
        }
    }

    /// Waits for a place. The mailbox is kept for the turn, but whoever wants an answer gets it now.
    pub(super) fn queue<'i>(self: &'i Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'i, Inner>) {
        inner.phase = Phase::Turning;
        loop {
            let begins_anew = inner.fresh.is_some() && inner.execution.is_some();
            if begins_anew {
                // A generation that has not begun is its start, which is the first message, and is read again.
                inner.mailbox.remove(0);
            }
            if let Some(at) = inner.mailbox.iter().position(Message::interrupts) {
                let message = inner.mailbox.remove(at);
                let begun = inner.execution.take_if(|_| begins_anew);
                drop(inner);
                drop(begun);
                return self
                    .change(worker, if message.is_suspend() { Change::Suspend(message) } else { Change::Terminate(message) });
            }
            let asked: Vec<_> = inner.mailbox.extract_if(.., |message| message.ack.is_some()).collect();
            if asked.is_empty() && !begins_anew {
                break;
            }
            let (key, is_suspended) = (inner.key, inner.state.status == Status::Suspended);
            let execution = inner.execution.take();
            drop(inner);
            let execution = execution.filter(|_| !begins_anew);
            let mut kept = Kept::default();
            for message in asked {
                if message.is_resume() && !is_suspended {
                    kept.decline(message, wrong_state(&self.id, "it is not suspended"));
                    continue;
                }
                let refused = message.event.as_ref().zip(execution.as_ref());
                match refused.and_then(|(event, execution)| execution.refuses(event)) {
                    Some(failure) => kept.decline(message, self.wrong_type(worker, &failure)),
                    None => kept.put(message),
                }
            }
            let posts = kept.posts();
            self.put_by(worker, key, kept);
            inner = self.lock();
            if inner.phase != Phase::Turning {
                drop(inner);
                return drop(execution);
            }
            inner.execution = execution;
            inner.has_posted |= posts;
        }
        if inner.has_place {
            return self.begin(worker, inner);
        }
        inner.phase = Phase::Queued;
    }

    /// The run has got the place it waited for.
    fn placed(self: &Arc<Self>, worker: &Arc<Worker>) {
        let mut inner = self.lock();
        if !std::mem::take(&mut inner.in_line) || !matches!(inner.phase, Phase::Queued | Phase::Turning) {
            drop(inner);
            return worker.release_place();
        }
        inner.has_place = true;
        if inner.phase == Phase::Queued {
            inner.phase = Phase::Turning;
            self.begin(worker, inner);
        }
    }

    /// Uses the place.
    fn begin(self: &Arc<Self>, worker: &Arc<Worker>, mut inner: MutexGuard<'_, Inner>) {
        if inner.execution.is_some() && !inner.has_posted {
            return self.turn(worker, inner);
        }
        // What was posted comes before what is brought from now on, as whoever has sent both expects.
        let execution = inner.execution.take();
        self.take_up(worker, inner, None);
        drop(execution);
    }
}
