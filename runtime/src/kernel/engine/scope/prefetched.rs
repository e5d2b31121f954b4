//! Decisions of a history that are asked for before their events come.

use std::collections::{BTreeMap, BTreeSet};

use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::payload::Payload;

/// What a side effect has returned, and where it was written.
pub(super) struct Effect {
    pub(super) result: Payload,
    pub(super) at: String,
}

/// Results of decisions that are not waited for.
#[derive(Default)]
pub(crate) struct Prefetched {
    pub(super) effects: BTreeMap<CallId, Effect>,
    pub(super) patches: BTreeSet<String>,
}

impl Prefetched {
    pub(crate) fn add(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::SideEffect { id, result, at } => {
                    self.effects.insert(*id, Effect { result: result.clone(), at: at.clone() });
                }
                Event::Patched { name } => {
                    self.patches.insert(name.clone());
                }
                _ => {}
            }
        }
    }
}
