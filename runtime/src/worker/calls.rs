//! What an instance in a worker waits for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::AbortHandle;

use crate::engine::event::{CallId, Event};
use crate::engine::execution::Action;
use crate::store::Timestamp;

/// The calls of an instance that have no outcome yet.
#[derive(Default)]
pub(crate) struct Calls {
    /// Activities that run or wait for a place, and sub-orchestrations.
    pub(crate) work: BTreeSet<CallId>,
    /// When a timer, or the next attempt of an activity, is due.
    timers: BTreeMap<CallId, (Timestamp, Option<Action>)>,
    /// The same in the order of time.
    due: BTreeSet<(Timestamp, CallId)>,
    /// The instances of sub-orchestrations.
    pub(crate) children: BTreeMap<CallId, String>,
    /// The attempts that run or wait for a place in this process.
    pub(crate) running: HashMap<CallId, AbortHandle>,
}

/// What has become due.
#[derive(Default)]
pub(crate) struct Due {
    /// Timers, as the events they give.
    pub(crate) fired: Vec<Event>,
    /// Next attempts, to be started.
    pub(crate) attempts: Vec<Action>,
}

impl Calls {
    /// Follows what a turn delivered and decided.
    pub(crate) fn record(&mut self, events: &[Event], actions: &[Action]) {
        for event in events {
            match event {
                Event::TaskCompleted { id, .. } | Event::TaskFailed { id, .. } => {
                    self.work.remove(id);
                }
                Event::SubOrchestrationInstanceCompleted { id, .. } | Event::SubOrchestrationInstanceFailed { id, .. } => {
                    self.work.remove(id);
                    self.children.remove(id);
                }
                _ => {}
            }
        }
        for action in actions {
            match action {
                Action::StartActivity { id, not_before: None, .. } => {
                    self.work.insert(*id);
                }
                Action::StartActivity { id, name, input, attempt, not_before: Some(at), timeout } => {
                    let (id, name, input, attempt, timeout) = (*id, *name, input.clone(), *attempt, *timeout);
                    let next = Action::StartActivity { id, name, input, attempt, not_before: None, timeout };
                    self.set_timer(id, *at, Some(next));
                }
                Action::StartTimer { id, fire_at } => {
                    self.set_timer(*id, *fire_at, None);
                }
                Action::StartChild { detached: true, .. } => {}
                Action::StartChild { id, instance, .. } => {
                    self.work.insert(*id);
                    self.children.insert(*id, instance.clone());
                }
                Action::Cancel { id } => {
                    self.work.remove(id);
                    self.stop_timer(*id);
                }
            }
        }
    }

    fn set_timer(&mut self, id: CallId, at: Timestamp, next: Option<Action>) {
        self.timers.insert(id, (at, next));
        self.due.insert((at, id));
    }

    fn stop_timer(&mut self, id: CallId) -> Option<Option<Action>> {
        let (at, next) = self.timers.remove(&id)?;
        self.due.remove(&(at, id));
        Some(next)
    }

    /// Forgets what a replay tells anew; attempts that run go on.
    pub(crate) fn forget_all_but_running(&mut self) {
        let running = std::mem::take(&mut self.running);
        *self = Self { running, ..Self::default() };
    }

    /// Whether no activity runs or waits for a place.
    pub(crate) fn only_children(&self) -> bool {
        self.work.len() <= self.children.len()
    }

    /// Forgets all timers.
    pub(crate) fn stop_timers(&mut self) {
        self.timers.clear();
        self.due.clear();
    }

    /// When the earliest timer is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes off what is due, the earliest first.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Due {
        let mut taken = Due::default();
        while let Some((at, id)) = self.due.first().copied()
            && at <= now
        {
            match self.stop_timer(id) {
                Some(Some(attempt)) => taken.attempts.push(attempt),
                Some(None) => taken.fired.push(Event::TimerFired { id }),
                None => {}
            }
        }
        taken
    }
}
