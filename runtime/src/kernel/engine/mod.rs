//! The replay engine: history and incoming events in, new history and actions out.
//!
//! Invariant: nothing here knows tokio, a clock, a store or a thread. The worker, replay checks and tests are callers
//! of the same [`Execution`](execution::Execution).

pub(crate) mod event;
pub(crate) mod execution;
pub(crate) mod mismatch;
pub(crate) mod poison;
pub(crate) mod scope;
pub(crate) mod waker;
pub(crate) mod work;

#[cfg(test)]
mod tests;
