//! How an instance comes from its history into memory.

use std::collections::HashSet;

use crate::kernel::engine::event::{CallId, Event, Turn};
use crate::kernel::engine::execution::Action;
use crate::kernel::error::RuntimeError;
use crate::kernel::machine::answers::wrong_state;
use crate::kernel::machine::instance::jobs::{Ready, ReplayJob, Replayed};
use crate::kernel::machine::instance::{Effects, Instance, Left, Next, Phase};
use crate::kernel::machine::message::Message;
use crate::kernel::stored::{State, Status, Stored, StoredMessage};
use crate::kernel::time::Timestamp;

/// What a load has found.
pub(crate) enum Loaded {
    Found(Box<Found>),
    /// Nothing that can be run: what is `unwanted` waits in the inbox for nobody.
    Nothing {
        unwanted: Vec<i64>,
        error: RuntimeError,
    },
    /// It could not be read.
    Failed(RuntimeError),
}

/// An instance, what waits for it, and why it cannot be replayed if it cannot.
pub(crate) struct Found {
    pub(crate) stored: Stored,
    pub(crate) messages: Vec<StoredMessage>,
    pub(crate) unreadable: Option<RuntimeError>,
}

impl Instance {
    /// Takes up a stored instance: replays its history, starts what it waits for, delivers what has come for it. One that is unreadable is
    /// parked.
    pub(super) fn loaded(&mut self, now: Timestamp, loaded: Loaded, fx: &mut Effects) {
        if self.phase == Phase::Gone {
            return;
        }
        match loaded {
            Loaded::Found(found) => self.found(now, found, fx),
            Loaded::Nothing { unwanted, error } => {
                let messages = self.leave(fx);
                fx.left = Left::Homeless { messages, unwanted, error };
            }
            Loaded::Failed(error) => {
                let messages = self.leave(fx);
                fx.left = Left::Refused(messages, error);
            }
        }
    }

    fn found(&mut self, now: Timestamp, mut found: Box<Found>, fx: &mut Effects) {
        let instance = &found.stored.instance;
        self.key = instance.key;
        self.parent.clone_from(&instance.parent);
        self.turns = u32::try_from(found.stored.history.len()).unwrap_or(u32::MAX);
        self.state = instance.state.clone();
        self.has_posted = false;
        self.fresh = unstarted(&found.stored.history, &self.state);
        self.merge(std::mem::take(&mut found.messages));
        if self.state.status != Status::Suspended {
            let error = wrong_state("resume", &self.id, "it is not suspended");
            let resumes = self.mailbox.extract_if(.., |message| message.is_resume());
            resumes.for_each(|message| fx.decline(message, error.clone()));
        }
        let is_suspended = self.state.status == Status::Suspended && self.state.report.is_none() && !self.is_resumed();
        let waits_for_its_start = self.state.status == Status::Pending && self.state.wake_at.is_some() && !self.state.is_due(now);
        if is_suspended || waits_for_its_start {
            self.wants_arguments = false;
            self.phase = Phase::Turning;
            self.arm(fx);
            return self.keep(now, fx);
        }
        if self.take_place(fx) {
            self.replay(*found, fx);
        } else {
            self.found = Some(found);
        }
    }

    /// What was read of the inbox comes first. The inbox may have brought some of it already.
    fn merge(&mut self, messages: Vec<StoredMessage>) {
        let read: HashSet<_> = messages.iter().map(|message| message.number).collect();
        let arrived = std::mem::take(&mut self.mailbox);
        // One that cannot be read has parked the run.
        let stored = messages
            .into_iter()
            .filter_map(|message| Some(Message { inbox: Some(message.number), ..Message::of(message.event.ok()?) }));
        let key = self.key;
        let arrived = arrived
            .into_iter()
            .filter(|message| message.is_for(key) && message.inbox.is_none_or(|number| !read.contains(&number)));
        self.mailbox = stored.chain(arrived).collect();
    }

    fn is_resumed(&self) -> bool {
        self.mailbox.iter().any(Message::is_resume)
    }

    pub(super) fn replay(&mut self, found: Found, fx: &mut Effects) {
        // The history tells first that it goes on, then what has come meanwhile.
        self.mailbox.sort_by_key(|message| !message.is_resume());
        let Found { stored, unreadable, .. } = found;
        let raised = |message: &&Message| matches!(message.event, Some(Event::EventRaised { .. }));
        fx.next = Some(Next::Replay(Box::new(ReplayJob {
            id: self.id.clone(),
            key: self.key,
            stored,
            unreadable,
            has_arguments: std::mem::take(&mut self.wants_arguments),
            unstarted_at: self.fresh,
            resumes: self.mailbox.iter().filter(|message| message.is_resume()).count(),
            without: self.mailbox.iter().flat_map(Message::without_events).copied().collect(),
            waiting: self.mailbox.iter().filter(raised).count() as u64,
        })));
    }

    pub(super) fn replayed(&mut self, now: Timestamp, replayed: Replayed, fx: &mut Effects) {
        if self.phase == Phase::Gone {
            if let Replayed::Ready(ready) = replayed {
                fx.retired.push(ready.execution);
            }
            return;
        }
        match replayed {
            Replayed::Ready(ready) => self.ready(now, *ready, fx),
            Replayed::Parked(report) => self.park_again(now, report, fx),
            Replayed::Stays(why) => self.stay(now, &why, fx),
            Replayed::StartsAt(at) => self.schedule(now, at, fx),
            Replayed::WantsArguments => {
                self.wants_arguments = true;
                // What came through the inbox is read again with the history.
                self.mailbox.retain(|message| message.inbox.is_none());
                fx.next = Some(Next::Load { with_arguments: true, after_posts: false });
            }
        }
    }

    /// Goes on where the history ends.
    fn ready(&mut self, now: Timestamp, ready: Ready, fx: &mut Effects) {
        let Ready { execution, pending, attempts, refused, started, stored, is_rewound, resumes } = ready;
        self.decline_late(resumes, fx);
        if self.fresh.is_some() {
            // It was suspended before its first turn, of which its history tells nothing. One that was not refuses to be resumed.
            let is_suspended = self.state.status == Status::Suspended;
            let says_nothing =
                |message: &&mut Message| is_suspended && message.is_resume() && message.without_events().is_empty();
            self.mailbox.iter_mut().filter(says_nothing).for_each(|message| (message.event, message.resumes) = (None, true));
            self.mailbox.insert(0, Message { event: started, ..Message::nudge() });
        }
        self.execution = Some(execution);
        self.calls.forget_all_but_running();
        for (call, details) in stored.heartbeats {
            self.calls.heartbeats.entry(call).or_insert(details);
        }
        self.calls.record(&[], &attempts, &pending);
        let ended: HashSet<_> = self.mailbox.iter().filter_map(Message::ended_attempt).collect();
        // The outcome of one may have come while the instance was set aside, also of one that would be due by now.
        ended.iter().for_each(|call| self.calls.forget_timer(*call));
        for planned in attempts.into_iter().filter(|planned| !ended.contains(&planned.call)) {
            self.start(planned, fx);
        }
        let refused_calls: HashSet<CallId> = refused.iter().map(|(call, _)| *call).collect();
        self.mailbox.extend(refused.into_iter().map(|(_, event)| Message::of(event)));
        self.arm(fx);
        for action in pending {
            if let Action::StartChild { id, instance, .. } = action
                && !refused_calls.contains(&id)
            {
                fx.looked_at.push((id, instance));
            }
        }
        if self.mailbox.is_empty() && self.state.status == Status::Running && !is_rewound {
            self.phase = Phase::Resting;
            if self.calls.only_children() {
                self.leave_place(fx);
                self.list(fx);
            }
        } else {
            self.phase = Phase::Turning;
            self.work(now, fx);
        }
    }

    /// Declines what was asked to be put aside during the replay, which has not done it.
    fn decline_late(&mut self, resumes: usize, fx: &mut Effects) {
        let mut known = 0..resumes;
        let late = |message: &mut Message| known.next().is_none() && !message.without_events().is_empty();
        let late: Vec<_> = self.mailbox.extract_if(.., late).collect();
        late.into_iter().for_each(|message| fx.decline(message, wrong_state("resume", &self.id, "it is not suspended")));
    }
}

/// When the execution of a history was started, if its first turn has not run yet. One that waits without a call has the same
/// history, but is not busy.
fn unstarted(history: &[Turn], state: &State) -> Option<Timestamp> {
    let [Turn { at, events }] = history else { return None };
    let only_started =
        matches!(events[..], [Event::ExecutionStarted { .. }] | [Event::ContinueAsNew { .. }, Event::ExecutionStarted { .. }]);
    (only_started && (state.busy || state.status != Status::Running)).then_some(*at)
}
