//! External events that have come, and the waits for them.

use std::collections::VecDeque;
use std::task::Waker;

use crate::kernel::failure::Failure;
use crate::kernel::payload::Payload;

/// The events of one name: buffered, or waited for, never both.
#[derive(Default)]
pub(super) struct Channel {
    pub(super) buffered: VecDeque<Arrived>,
    pub(super) waiters: VecDeque<Waiter>,
    /// Whether a value has the type that the last wait has asked for.
    pub(super) check: Option<Check>,
}

/// Whether a payload can be read as some type.
pub(crate) type Check = fn(&Payload) -> Result<(), Failure>;

/// An event and its place among those of its execution.
pub(crate) struct Arrived {
    pub(crate) number: u64,
    pub(crate) payload: Payload,
}

pub(super) struct Waiter {
    pub(super) id: u64,
    pub(super) arrived: Option<Arrived>,
    pub(super) waker: Waker,
}

impl Channel {
    /// Gives an event to the longest waiter that has none, or keeps it in its place.
    pub(super) fn put(&mut self, arrived: Arrived) -> Option<Waker> {
        if let Some(waiter) = self.waiters.iter_mut().find(|waiter| waiter.arrived.is_none()) {
            waiter.arrived = Some(arrived);
            return Some(waiter.waker.clone());
        }
        let later = self.buffered.partition_point(|earlier| earlier.number < arrived.number);
        self.buffered.insert(later, arrived);
        None
    }
}
