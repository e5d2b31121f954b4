//! Attempts of activities. The seed decides how they end, and whether they do.

use futures::FutureExt as _;

use crate::kernel::batch::{Batch, Heartbeat};
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::instance::{Input, Start};
use crate::kernel::machine::simulation::world::World;
use crate::kernel::payload::Payload;
use crate::kernel::stored::InstanceKey;

/// An attempt that was started in this process.
pub(super) struct Attempt {
    owner: InstanceKey,
    call: CallId,
    is_cancelled: bool,
    has_ended: bool,
    /// What it has said last.
    said: Option<Payload>,
    has_sent: bool,
    /// Nothing it says is kept any more.
    is_hushed: bool,
}

impl World {
    pub(super) fn start(&mut self, number: usize, start: Start) {
        let Start { owner, call, activity, input, attempt, .. } = start;
        self.check_start(owner, call, attempt);
        let started = self.memory.attempts.len();
        let (is_cancelled, has_ended) = (false, false);
        self.memory.attempts.push(Attempt {
            owner,
            call,
            is_cancelled,
            has_ended,
            said: None,
            has_sent: false,
            is_hushed: false,
        });
        self.memory.instances[number].running.insert(call, started);
        self.later("an attempt goes on", move |world| {
            let result = activity.run(input).now_or_never().expect("the bodies wait for nothing");
            world.attempt(number, started, result);
        });
    }

    /// An attempt is started that a turn in the store has decided, and whose call has no outcome.
    fn check_start(&self, owner: InstanceKey, call: CallId, attempt: u32) {
        let Some(stored) = self.store.instances.get(&owner) else { panic!("an attempt of {owner} starts before it is created") };
        let id = &stored.instance.id;
        assert!(!stored.instance.state.status.is_terminal(), "call {call} of `{id}` starts after its end");
        let (mut is_called, mut failures) = (false, 1);
        for event in stored.history.iter().flat_map(|turn| &turn.events) {
            match event {
                Event::TaskScheduled { id, .. } if *id == call => is_called = true,
                Event::TaskFailed { id, retry_at: Some(_), .. } if *id == call => failures += 1,
                Event::TaskCompleted { id: done, .. } if *done == call => panic!("call {call} of `{id}` is over, and starts"),
                _ => {}
            }
        }
        assert!(is_called, "call {call} of `{id}` starts before its turn is in the store");
        assert!(attempt <= failures, "attempt {attempt} of call {call} of `{id}` starts before the one before has failed");
        let running = self.memory.attempts.iter().filter(|attempt| (attempt.owner, attempt.call) == (owner, call));
        let mut running = running.filter(|attempt| !attempt.has_ended && !attempt.is_cancelled);
        assert!(running.next().is_none(), "two attempts of call {call} of `{id}` run at once");
    }

    /// Goes on with an attempt: it says something, ends, or goes on for longer.
    fn attempt(&mut self, number: usize, started: usize, result: Result<Payload, Failure>) {
        let attempt = &mut self.memory.attempts[started];
        let (owner, call, is_cancelled) = (attempt.owner, attempt.call, attempt.is_cancelled);
        if !is_cancelled && !attempt.is_hushed && self.fault(6) {
            let details = Payload::encode(&started).expect("a number");
            let attempt = &mut self.memory.attempts[started];
            (attempt.said, attempt.has_sent) = (Some(details.clone()), true);
            let heartbeats = vec![Heartbeat { instance: owner, call, details: Some(details) }];
            self.send(Batch { heartbeats, ..Batch::default() }, |_, _| {});
        }
        if !is_cancelled && self.fault(4) {
            return self.later("an attempt goes on", move |world| world.attempt(number, started, result));
        }
        let event = match result {
            // It may have ended at the moment at which it was cancelled.
            _ if is_cancelled && !self.one_in(3) => None,
            _ if self.fault(5) => {
                Some(Event::TaskFailed { id: call, failure: Failure::new(FailureKind::Timeout, "late"), retry_at: None })
            }
            Ok(result) => Some(Event::TaskCompleted { id: call, result }),
            Err(failure) => Some(Event::TaskFailed { id: call, failure, retry_at: None }),
        };
        self.soon("an attempt has ended", move |world| {
            let attempt = &mut world.memory.attempts[started];
            attempt.has_ended = true;
            let last_heartbeat = attempt.said.take().filter(|_| !attempt.is_hushed);
            world.memory.instances[number].running.remove(&call);
            world.tell_instance(number, Input::AttemptEnded { call, last_heartbeat, event });
        });
    }

    pub(super) fn cancel(&mut self, number: usize, call: CallId) {
        if let Some(attempt) = self.memory.instances[number].running.remove(&call) {
            self.memory.attempts[attempt].is_cancelled = true;
        }
    }

    /// Nothing is kept of what an attempt has said. Whether it has said something.
    pub(super) fn hush(&mut self, number: usize, call: CallId) -> bool {
        let Some(attempt) = self.memory.instances[number].running.get(&call).copied() else { return false };
        let attempt = &mut self.memory.attempts[attempt];
        attempt.is_hushed = true;
        attempt.has_sent
    }
}
