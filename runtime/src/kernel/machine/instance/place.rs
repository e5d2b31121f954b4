//! A run takes a place for a turn, keeps it while one of its activities is unfinished, and gives it back otherwise.
//!
//! While it waits for one its mailbox is kept for the turn, but whoever wants an answer gets it at once.

use crate::kernel::machine::instance::jobs::{Sorted, Sorting};
use crate::kernel::machine::instance::parts::{Change, Place};
use crate::kernel::machine::instance::{Effects, Instance, Next, Phase};
use crate::kernel::machine::message::Message;
use crate::kernel::stored::Status;
use crate::kernel::time::Timestamp;

impl Instance {
    /// Whether it has a place. Otherwise one is asked for.
    pub(super) fn take_place(&mut self, fx: &mut Effects) -> bool {
        match self.place {
            Place::Unlimited | Place::Has => return true,
            Place::None => {
                self.place = Place::Asked;
                fx.next = Some(Next::Place);
            }
            Place::Asked | Place::Waits => {}
        }
        false
    }

    /// Gives the place back, if it has one.
    pub(super) fn leave_place(&mut self, fx: &mut Effects) {
        if self.place == Place::Has {
            self.place = Place::None;
            fx.leaves_place = true;
        }
    }

    pub(super) fn answered_place(&mut self, now: Timestamp, is_free: bool, fx: &mut Effects) {
        // Its turn in the line may have come before it was told that it stands there, or that it has another place.
        let came_before = self.place == Place::Has;
        fx.leaves_place = is_free && came_before;
        let has_one = is_free || came_before;
        self.place = if has_one { Place::Has } else { Place::Waits };
        if self.phase == Phase::Gone {
            self.found = None;
            return self.leave_place(fx);
        }
        let found = self.found.take();
        match (found, has_one) {
            (Some(found), true) => self.replay(*found, fx),
            (Some(_), false) => {
                // What came through the inbox is read again with the history.
                self.mailbox.retain(|message| message.inbox.is_none());
                self.phase = Phase::Turning;
                self.queue(now, fx);
            }
            (None, true) => self.work(now, fx),
            (None, false) => self.queue(now, fx),
        }
    }

    /// It has got the place it waited for.
    pub(super) fn placed(&mut self, now: Timestamp, fx: &mut Effects) {
        match self.place {
            Place::Asked if self.phase != Phase::Gone => self.place = Place::Has,
            Place::Waits if matches!(self.phase, Phase::Queued | Phase::Turning) => {
                self.place = Place::Has;
                if self.phase == Phase::Queued {
                    self.phase = Phase::Turning;
                    self.begin(now, fx);
                }
            }
            Place::Waits => {
                self.place = Place::None;
                fx.leaves_place = true;
            }
            // One that it does not want any more.
            Place::None | Place::Asked | Place::Has | Place::Unlimited => fx.leaves_place = true,
        }
    }

    /// Waits for a place.
    pub(super) fn queue(&mut self, now: Timestamp, fx: &mut Effects) {
        (self.phase, self.queued) = (Phase::Turning, true);
        let begins_anew = self.fresh.is_some() && self.execution.is_some();
        if begins_anew {
            // An execution that has not begun is its start, which is the first message, and is read again.
            self.mailbox.remove(0);
            fx.retired.extend(self.execution.take());
        }
        if let Some(at) = self.mailbox.iter().position(Message::interrupts) {
            let message = self.mailbox.remove(at);
            let change = if message.is_suspend() { Change::Suspend(message) } else { Change::Terminate(message) };
            return self.change(now, change, fx);
        }
        // A resumption that has taken effect waits for the turn.
        let asked: Vec<_> = self.mailbox.extract_if(.., |message| message.ack.is_some() && message.event.is_some()).collect();
        if !asked.is_empty() {
            let (id, is_suspended) = (self.id.clone(), self.state.status == Status::Suspended);
            fx.next = Some(Next::Sort(Box::new(Sorting { id, execution: self.execution.take(), asked, is_suspended })));
        } else if self.place == Place::Has {
            self.begin(now, fx);
        } else {
            self.phase = Phase::Queued;
        }
    }

    pub(super) fn sorted(&mut self, now: Timestamp, sorted: Sorted, fx: &mut Effects) {
        let Sorted { execution, post, declined } = sorted;
        for (message, error) in declined {
            fx.decline(message, error);
        }
        let posts = !post.is_empty();
        post.into_iter().for_each(|message| fx.post(message));
        if self.phase != Phase::Turning {
            return fx.retired.extend(execution);
        }
        self.execution = execution;
        self.has_posted |= posts;
        self.queue(now, fx);
    }

    /// Uses the place.
    fn begin(&mut self, now: Timestamp, fx: &mut Effects) {
        self.queued = false;
        if self.execution.is_some() { self.turn(now, fx) } else { self.take_up(None, fx) }
    }
}
