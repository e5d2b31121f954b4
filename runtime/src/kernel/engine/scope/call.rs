//! Making a call, and the future of a recorded one.

use std::panic::Location;
use std::task::{Context, Poll};

use crate::kernel::engine::event::CallId;
use crate::kernel::engine::scope::place::place;
use crate::kernel::engine::scope::slot::with;
use crate::kernel::engine::scope::state::{Open, Scope};
use crate::kernel::engine::work::{Attempts, Command, Work};
use crate::kernel::failure::Failure;
use crate::kernel::function::{Options, Recorded};
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;

/// A recorded call, held by the future that made it.
pub(crate) struct Call {
    token: u64,
    id: CallId,
    done: bool,
}

impl Call {
    /// Which execution made it.
    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    /// The number of the call.
    pub(crate) fn id(&self) -> CallId {
        self.id
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, what: &str) -> Poll<Recorded> {
        self.poll_attempt(cx, what).map(|(outcome, _)| outcome)
    }

    /// The outcome, and when to try again where it is a failure that the policy tries again.
    pub(crate) fn poll_attempt(&mut self, cx: &mut Context<'_>, what: &str) -> Poll<(Recorded, Option<Timestamp>)> {
        let polled = with(|scope| {
            if scope.unloading {
                return Ok((Poll::Pending, None));
            }
            if scope.token != self.token {
                return Err(scope.orchestrator.name());
            }
            scope.leaf_polls += 1;
            let Some(open) = scope.open.get_mut(&self.id) else {
                return Ok((Poll::Pending, None));
            };
            match open.outcome.take() {
                Some(outcome) => {
                    let retry_at = open.retry_at;
                    let value = outcome.as_ref().map_or_else(Failure::payload, Some);
                    if !value.is_none_or(|value| scope.can_read(value)) {
                        return Ok((Poll::Pending, None));
                    }
                    // What is left of it holds values of the user's, to be dropped outside the scope.
                    Ok((Poll::Ready((outcome, retry_at)), scope.open.remove(&self.id)))
                }
                None => {
                    match &mut open.waker {
                        Some(waker) => waker.clone_from(cx.waker()),
                        empty => *empty = Some(cx.waker().clone()),
                    }
                    Ok((Poll::Pending, None))
                }
            }
        });
        match polled {
            Some(Ok((poll, _answered))) => {
                self.done = poll.is_ready();
                poll
            }
            Some(Err(other)) => panic!(
                "a call of `{what}` was made in one orchestration and polled in another, `{other}`; \
                 await a call where it was made"
            ),
            None => panic!(
                "a call of `{what}` was made in an orchestration and polled outside it; \
                 await a call in the orchestrator that made it"
            ),
        }
    }
}

impl Scope {
    pub(crate) fn call_activity(
        &mut self,
        name: &'static str,
        input: Result<Payload, Failure>,
        options: Options,
        site: &'static Location<'static>,
    ) -> Call {
        let attempts = Attempts { options, number: 1, since: self.now };
        let work = |input| Work::Activity { name, input, attempts, not_before: None };
        self.call(input, work, site)
    }

    pub(crate) fn call_child(
        &mut self,
        name: &'static str,
        input: Result<Payload, Failure>,
        id: Option<String>,
        attempts: Option<Attempts>,
        site: &'static Location<'static>,
    ) -> Call {
        let is_detached = attempts.is_none();
        let instance = id.unwrap_or_else(|| self.child_id(self.last_call + 1));
        let forbidden = if is_detached { None } else { self.forbids_children(name) };
        let input = forbidden.map_or(input, Err);
        let work = |input| Work::Child { name, input, instance, attempts };
        let call = self.call(input, work, site);
        if is_detached && let Some(Open { outcome: Some(Err(failure)), .. }) = self.open.remove(&call.id) {
            self.fatal.get_or_insert(failure);
        }
        call
    }

    /// The instance id of a sub-orchestration that was given none.
    pub(crate) fn child_id(&self, call: CallId) -> String {
        format!("{}:{call}", self.instance)
    }

    pub(crate) fn call_timer(&mut self, fire_at: Timestamp, site: &'static Location<'static>) -> Call {
        self.call(Ok(Payload::null()), |_| Work::Timer { fire_at }, site)
    }

    pub(super) fn call(
        &mut self,
        input: Result<Payload, Failure>,
        work: impl FnOnce(Payload) -> Work,
        site: &'static Location<'static>,
    ) -> Call {
        let id = self.next_call();
        let (work, outcome) = match input {
            Ok(input) => (work(input), None),
            Err(failure) => (work(Payload::null()), Some(Err(failure))),
        };
        if outcome.is_none() {
            self.commands.push_back(Command { id, work: work.clone(), at: place(site) });
        }
        self.open.insert(id, Open { work, outcome, waker: None, retry_at: None });
        Call { token: self.token, id, done: false }
    }

    /// Gives up a call. What is left of it holds values of the user's, to be dropped outside the scope.
    fn cancel(&mut self, id: CallId) -> Option<Open> {
        let open = self.open.remove(&id);
        if open.as_ref().is_some_and(|open| open.outcome.is_none()) {
            self.cancelled.push(id);
        }
        self.unlock_entities(id);
        open
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.done {
            let _ = with(|scope| (scope.token == self.token).then(|| scope.cancel(self.id)));
        }
    }
}
