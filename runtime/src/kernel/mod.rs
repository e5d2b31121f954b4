//! What an orchestration is, apart from where it runs: values, events, the replay engine.
//!
//! Invariant: nothing here knows a store, a thread, a task or a clock. A test reads the sources.

pub(crate) mod asked_wait;
pub(crate) mod barrier;
pub(crate) mod batch;
pub(crate) mod bounds;
pub(crate) mod cut;
pub(crate) mod engine;
pub(crate) mod entity;
pub(crate) mod error;
pub(crate) mod failure;
pub(crate) mod function;
pub(crate) mod instance_id;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod payload;
pub(crate) mod registration;
pub(crate) mod retry;
pub(crate) mod stored;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod typed;

#[cfg(test)]
mod tests;
