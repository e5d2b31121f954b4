//! What orchestrator code calls: durable futures, and the values that are the same on every replay.
//!
//! Invariant: nothing here knows tokio, a store or a thread; it talks to the engine's scope only.

pub(crate) mod activity;
pub(crate) mod ambient;
pub(crate) mod branches;
pub(crate) mod callable;
pub(crate) mod checked;
pub(crate) mod child;
pub(crate) mod combinators;
pub(crate) mod continue_as_new;
pub(crate) mod durable;
pub(crate) mod entity;
pub(crate) mod event;
pub(crate) mod fan_out;
pub(crate) mod fan_out_rules;
pub(crate) mod timer;
pub(crate) mod window;
