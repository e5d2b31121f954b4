//! Decisions that nobody waits for: side effects and patches.

use std::panic::Location;

use crate::kernel::engine::scope::place::place;
use crate::kernel::engine::scope::state::Scope;
use crate::kernel::engine::work::{Command, Work};
use crate::kernel::payload::Payload;

/// What is known of a side effect.
pub(crate) enum Recalled {
    /// It is to happen.
    Live,
    /// It has happened.
    Result(Payload),
    /// The history that is replayed does not know it.
    Nothing,
}

impl Scope {
    /// What a side effect has returned, as far as it is recorded. Outside a replay that is one from before a rewind, written at the same
    /// place.
    pub(crate) fn recall(&mut self, site: &'static Location<'static>) -> Recalled {
        match self.prefetched.effects.get(&(self.last_call + 1)) {
            Some(effect) if self.replaying || effect.at == place(site) => {
                let result = effect.result.clone();
                if self.can_read(&result) { Recalled::Result(result) } else { Recalled::Nothing }
            }
            _ if !self.replaying || self.unloading => Recalled::Live,
            _ => Recalled::Nothing,
        }
    }

    pub(crate) fn call_side_effect(&mut self, result: Payload, site: &'static Location<'static>) {
        let id = self.next_call();
        self.commands.push_back(Command { id, work: Work::SideEffect { result }, at: place(site) });
    }

    /// Whether the code that asks is newer than the part of the history it is in.
    pub(crate) fn patched(&mut self, name: &str) -> bool {
        if let Some(known) = self.patches.get(name) {
            return *known;
        }
        let patched = !self.replaying || self.prefetched.patches.contains(name);
        self.patches.insert(name.to_owned(), patched);
        if !self.replaying {
            self.patched_now.push(name.to_owned());
        }
        patched
    }
}
