//! What an instance waits for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::kernel::batch::Heartbeat;
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::engine::execution::Action;
use crate::kernel::machine::code::Planned;
use crate::kernel::payload::Payload;
use crate::kernel::stored::InstanceKey;
use crate::kernel::time::Timestamp;

/// The calls of an instance that have no outcome yet.
#[derive(Default)]
pub(crate) struct Calls {
    /// Activities that run or wait for a place, and sub-orchestrations.
    pub(crate) work: BTreeSet<CallId>,
    /// When a timer, or the next attempt of an activity, is due.
    timers: BTreeMap<CallId, (Timestamp, Option<Action>)>,
    /// The same in the order of time.
    due: BTreeSet<(Timestamp, CallId)>,
    /// The sub-orchestrations.
    pub(crate) children: BTreeMap<CallId, Child>,
    /// The attempts that run or wait for a place in this process.
    pub(crate) running: HashSet<CallId>,
    /// What activities have said last by a heartbeat.
    pub(crate) heartbeats: BTreeMap<CallId, Payload>,
}

/// A sub-orchestration.
pub(crate) struct Child {
    /// Its instance id.
    pub(crate) id: String,
    /// Which instance that is, of one that this process has created.
    pub(crate) key: Option<InstanceKey>,
}

/// What has become due.
#[derive(Default)]
pub(crate) struct DueCalls {
    /// Timers, as the events they give.
    pub(crate) fired: Vec<Event>,
    /// Next attempts, to be started.
    pub(crate) attempts: Vec<Action>,
}

impl Calls {
    /// Follows what a turn delivered and decided: attempts that start at once, and the rest.
    pub(crate) fn record(&mut self, events: &[Event], attempts: &[Planned], actions: &[Action]) {
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
        self.work.extend(attempts.iter().map(|planned| planned.call));
        for action in actions {
            match action {
                // Planned, and counted above.
                Action::StartActivity { not_before: None, .. } => {}
                Action::StartActivity { id, name, input, attempt, not_before: Some(at), limits } => {
                    let (id, name, input, attempt, limits) = (*id, *name, input.clone(), *attempt, *limits);
                    let next = Action::StartActivity { id, name, input, attempt, not_before: None, limits };
                    self.set_timer(id, *at, Some(next));
                }
                Action::StartTimer { id, fire_at } => {
                    self.set_timer(*id, *fire_at, None);
                }
                Action::StartChild { detached: true, .. } | Action::TellEntity { .. } => {}
                Action::StartChild { id, instance, .. } => {
                    self.work.insert(*id);
                    self.children.insert(*id, Child { id: instance.clone(), key: None });
                }
                Action::Cancel { id } => {
                    self.work.remove(id);
                    self.stop_timer(*id);
                }
            }
        }
    }

    /// What a turn changes of the stored heartbeats: those of an attempt that is followed by another are kept, those of a call
    /// that is over are deleted. Second, the calls that are over while an attempt of them runs: what that has said is not known here.
    pub(crate) fn kept_heartbeats(
        &mut self,
        key: InstanceKey,
        events: &[Event],
        actions: &[Action],
    ) -> (Vec<Heartbeat>, Vec<CallId>) {
        let failed = events.iter().filter_map(|event| match event {
            Event::TaskFailed { id, retry_at: Some(_), .. } => Some((*id, self.heartbeats.get(id)?.clone())),
            _ => None,
        });
        let mut changes: Vec<_> =
            failed.map(|(call, details)| Heartbeat { instance: key, call, details: Some(details) }).collect();
        let ended = events.iter().filter_map(|event| match event {
            Event::TaskCompleted { id, .. } | Event::TaskFailed { id, retry_at: None, .. } => Some(*id),
            _ => None,
        });
        let dropped = actions.iter().filter_map(|action| match action {
            Action::Cancel { id } => Some(*id),
            _ => None,
        });
        let (mut over, mut hushed) = (Vec::new(), Vec::new());
        for id in ended.chain(dropped) {
            if self.heartbeats.remove(&id).is_some() {
                over.push(id);
            }
            if self.running.contains(&id) {
                hushed.push(id);
            }
        }
        changes.extend(over.into_iter().map(|call| Heartbeat { instance: key, call, details: None }));
        (changes, hushed)
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

    /// Forgets the timer of a call, if it has one.
    pub(crate) fn forget_timer(&mut self, id: CallId) {
        self.stop_timer(id);
    }

    /// Forgets what a replay tells anew; attempts that run go on.
    pub(crate) fn forget_all_but_running(&mut self) {
        let (running, heartbeats) = (std::mem::take(&mut self.running), std::mem::take(&mut self.heartbeats));
        *self = Self { running, heartbeats, ..Self::default() };
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
    pub(crate) fn take_due(&mut self, now: Timestamp) -> DueCalls {
        let mut taken = DueCalls::default();
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
