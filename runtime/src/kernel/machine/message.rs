//! What is brought to an instance.

use futures::channel::oneshot;

use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::error::RuntimeError;
use crate::kernel::stored::{InstanceKey, StoreResult};

/// The answer to whoever sent a message, once the message is durable.
pub(crate) type Ack = oneshot::Sender<StoreResult<()>>;

/// Something for an instance.
pub(crate) struct Message {
    /// What to deliver; nothing for a mere nudge.
    pub(crate) event: Option<Event>,
    /// Its number in the inbox, when it came through the store.
    pub(crate) inbox: Option<i64>,
    /// Whom it was posted for, when only the id has been looked at: another instance may have that by now.
    pub(crate) posted_for: Option<InstanceKey>,
    /// Of the end of a sub-orchestration, which instance that was, unless somebody has looked whether it is the one called: it may be one
    /// that was called under the same ids before a replacement.
    pub(crate) ended: Option<InstanceKey>,
    pub(crate) ack: Option<Ack>,
    /// Whether it stands for a resumption of which the history tells nothing.
    pub(crate) resumes: bool,
}

impl Message {
    pub(crate) fn of(event: Event) -> Self {
        Self { event: Some(event), inbox: None, posted_for: None, ended: None, ack: None, resumes: false }
    }

    /// Makes the instance look for itself: at its timers, at its waker.
    pub(crate) fn nudge() -> Self {
        Self { event: None, inbox: None, posted_for: None, ended: None, ack: None, resumes: false }
    }

    /// Whether it asks to go on with a suspended instance.
    pub(crate) fn is_resume(&self) -> bool {
        matches!(self.event, Some(Event::ExecutionResumed { .. }))
    }

    /// The events that it asks to put aside.
    pub(super) fn without_events(&self) -> &[u64] {
        match &self.event {
            Some(Event::ExecutionResumed { without_events, .. }) => without_events,
            _ => &[],
        }
    }

    /// The activity an attempt of which it tells the outcome of.
    pub(super) fn ended_attempt(&self) -> Option<CallId> {
        match self.event {
            Some(Event::TaskCompleted { id, .. } | Event::TaskFailed { id, .. }) => Some(id),
            _ => None,
        }
    }

    /// Whether it takes effect without a turn where none can run.
    pub(super) fn interrupts(&self) -> bool {
        matches!(self.event, Some(Event::ExecutionSuspended { .. } | Event::ExecutionTerminated { .. }))
    }

    pub(super) fn is_suspend(&self) -> bool {
        matches!(self.event, Some(Event::ExecutionSuspended { .. }))
    }

    /// Whether it is for the instance with this key, which is 0 as long as it is not known.
    pub(super) fn is_for(&self, key: InstanceKey) -> bool {
        self.posted_for.is_none_or(|meant| key == 0 || meant == key)
    }

    /// The call whose sub-orchestration is said to have ended, and which instance has.
    pub(super) fn ended_child(&self) -> Option<(CallId, InstanceKey)> {
        match (&self.event, self.ended) {
            (
                Some(Event::SubOrchestrationInstanceCompleted { id, .. } | Event::SubOrchestrationInstanceFailed { id, .. }),
                Some(ended),
            ) => Some((*id, ended)),
            _ => None,
        }
    }

    /// What is left of it when its machine leaves. Whoever is taken up looks for the ends of its sub-orchestrations, and finds others after
    /// a rewind, so one that was told here only wakes it.
    pub(super) fn left_over(self) -> Self {
        if self.ended.is_some() { Self { posted_for: self.posted_for, ..Self::nudge() } } else { self }
    }

    /// The same, left over by the run with this key. What nobody has asked for by the id alone, such as a result, is not for another run
    /// that has the id by then.
    pub(super) fn left_by(mut self, key: InstanceKey) -> Self {
        if self.ack.is_none() {
            self.posted_for.get_or_insert(key);
        }
        self
    }

    pub(crate) fn refuse(self, error: RuntimeError) {
        if let Some(ack) = self.ack {
            let _ = ack.send(Err(error));
        }
    }
}
