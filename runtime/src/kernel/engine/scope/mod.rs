//! What the futures of an orchestrator see of the engine while they are polled.
//!
//! Invariant: the scope is in its thread's slot during a poll and nowhere else. While a future is unloaded a stand-in is there: it answers
//! as the scope does, and what is asked of it is forgotten. So a call that is dropped then was unloaded, not cancelled.

mod call;
mod channel;
mod decision;
mod lock;
mod place;
mod prefetched;
mod slot;
mod state;
mod wait;

pub(crate) use call::Call;
pub(crate) use channel::Arrived;
pub(crate) use decision::Recalled;
pub(crate) use place::awaiting;
pub(crate) use prefetched::Prefetched;
pub(crate) use slot::{enter, fail, poison, settle, with};
pub(crate) use state::Scope;
pub(crate) use wait::Wait;
