//! Runs attempts of activities: which may start, and what becomes of them.

pub(crate) mod job;
mod journal;
pub(crate) mod pool;
mod queues;
pub(crate) mod suspects;
