//! The future that waits for an external event.

use std::task::{Context, Poll};

use crate::kernel::engine::scope::channel::{Arrived, Check, Waiter};
use crate::kernel::engine::scope::slot::with;
use crate::kernel::engine::scope::state::Scope;

impl Scope {
    fn took(&mut self, arrived: Arrived) -> Arrived {
        if self.watched.contains(&arrived.number) {
            self.taken.insert(arrived.number);
        }
        arrived
    }
}

/// A wait for an external event, held by the future that waits.
#[derive(Default)]
pub(crate) struct Wait {
    token: u64,
    id: u64,
}

impl Wait {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, name: &str, check: Check) -> Poll<Arrived> {
        with(|scope| {
            scope.leaf_polls += 1;
            let next = (scope.token, scope.last_wait + 1);
            let channel = scope.channel(name);
            channel.check = Some(check);
            if self.id != 0 {
                let Some(index) = channel.waiters.iter().position(|waiter| waiter.id == self.id) else {
                    return Poll::Pending;
                };
                if let Some(arrived) = channel.waiters[index].arrived.take() {
                    channel.waiters.remove(index);
                    self.id = 0;
                    return Poll::Ready(scope.took(arrived));
                }
                channel.waiters[index].waker.clone_from(cx.waker());
                return Poll::Pending;
            }
            if let Some(arrived) = channel.buffered.pop_front() {
                return Poll::Ready(scope.took(arrived));
            }
            (self.token, self.id) = next;
            channel.waiters.push_back(Waiter { id: self.id, arrived: None, waker: cx.waker().clone() });
            scope.last_wait = self.id;
            Poll::Pending
        })
        .unwrap_or_else(|| {
            panic!("the event `{name}` was awaited outside an orchestrator; wait for events in an `#[orchestrator]`")
        })
    }

    /// Gives up the wait. An event that was already given to it goes to the next waiter.
    pub(crate) fn leave(&mut self, name: &str) {
        if self.id == 0 {
            return;
        }
        let next = with(|scope| {
            let channel = (scope.token == self.token).then(|| scope.events.get_mut(name))??;
            let index = channel.waiters.iter().position(|waiter| waiter.id == self.id)?;
            let waiter = channel.waiters.remove(index)?;
            channel.put(waiter.arrived?)
        });
        if let Some(Some(waker)) = next {
            waker.wake();
        }
    }
}
