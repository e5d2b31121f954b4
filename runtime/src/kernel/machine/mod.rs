//! Orchestrations and entities as machines: an input goes in, effects come out.
//!
//! A machine decides and does nothing: it takes no lock, asks no store and runs no user code. Its shell performs the effects, in their order,
//! and answers what is to be done [`next`](instance::Effects::next) with another input. User code runs in the jobs between two steps.
//!
//! Invariant: at most one job, load or commit of a machine is under way. What arrives meanwhile waits in the mailbox.

pub(crate) mod answers;
pub(crate) mod calls;
pub(crate) mod code;
pub(crate) mod entity;
pub(crate) mod instance;
pub(crate) mod message;
pub(crate) mod request;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
