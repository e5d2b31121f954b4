//! What is asked for when an orchestration is started.

use std::collections::BTreeMap;

use crate::kernel::batch::{Batch, NewInstance};
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::payload::Payload;
use crate::kernel::stored::{InstanceKey, State};
use crate::kernel::time::Timestamp;
use crate::kernel::trace::TraceContext;

/// A start that somebody asks for.
#[derive(Clone)]
pub(crate) struct StartRequest {
    pub(crate) id: String,
    /// The orchestrator.
    pub(crate) name: String,
    /// Its version in the build that asks, or that is to run it.
    pub(crate) version: u32,
    pub(crate) input: Payload,
    /// When to start, if not at once.
    pub(crate) at: Option<Timestamp>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The call it is part of.
    pub(crate) trace: Option<Box<TraceContext>>,
    /// Finished instances that make room for it.
    pub(crate) replaces: Vec<InstanceKey>,
}

impl StartRequest {
    /// The event a history begins with.
    pub(crate) fn started(&self, shape: u64) -> Event {
        Event::ExecutionStarted {
            name: self.name.clone(),
            input: self.input.clone(),
            shape,
            parent: None,
            continued: None,
            trace: self.trace.clone(),
            version: self.version,
        }
    }

    /// The batch that creates the instance and leaves its first turn to the worker.
    pub(crate) fn into_batch(self, shape: u64, now: Timestamp) -> Batch {
        let at = self.at.filter(|at| *at > now);
        let turn = Turn { at: at.unwrap_or(now), events: vec![self.started(shape)] };
        let state = State { busy: at.is_none(), wake_at: at, ..State::pending() };
        let Self { id, name, tags, replaces, .. } = self;
        let new = NewInstance { id, name, parent: None, created_at: now, turn, state, tags };
        Batch { purge: replaces, create: Some(new), ..Batch::default() }
    }
}
