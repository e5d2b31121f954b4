//! What the jobs of a shard's machines ask of the process.

use std::fmt;
use std::sync::Arc;

use crate::kernel::engine::execution::{Action, Execution};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::code::Code;
use crate::kernel::payload::{Payload, Values};
use crate::kernel::registration::Registration;
use crate::kernel::stored::InstanceKey;
use crate::kernel::time::Timestamp;
use crate::worker::shard::Shard;

/// What the jobs of a shard's machines ask.
pub(super) struct CodeOf<'s>(pub(super) &'s Arc<Shard>);

impl Code for CodeOf<'_> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn orchestrator(&self, name: &str) -> Option<Registration> {
        self.0.host.registry.orchestrator(name).copied()
    }

    fn version(&self, name: &str, version: u32) -> Option<Registration> {
        self.0.host.registry.version(name, version).copied()
    }

    fn not_registered(&self, name: &str, version: u32) -> String {
        self.0.host.registry.not_registered(name, version)
    }

    fn execution(&self, orchestrator: Registration, id: &Arc<str>) -> Execution {
        let (shard, instance) = (Arc::downgrade(self.0), id.clone());
        // Called when something outside its turns wakes it.
        let alarm = move || {
            if let Some(shard) = shard.upgrade() {
                shard.wake(&instance);
            }
        };
        Execution::new(orchestrator, id.clone(), Box::new(alarm)).telling(self.values()).verified(self.0.host.verify)
    }

    fn activity(&self, name: &str, input: &Payload) -> Result<(Registration, Option<Arc<str>>), Failure> {
        let activity = self.0.host.registry.activity(name).copied().ok_or_else(|| {
            let message =
                format!("no activity named `{name}` is registered in this process; register it with the runtime's builder");
            Failure::new(FailureKind::NotRegistered, message)
        })?;
        Ok((activity, self.0.host.pool.limit_key(&activity, input)?))
    }

    fn excess(&self, what: fmt::Arguments<'_>, value: &Payload) -> Option<String> {
        self.0.store.payloads().excess(what, value)
    }

    fn values(&self) -> Values {
        self.0.store.payloads().values()
    }

    fn deadly(&self, key: InstanceKey, id: &str, pending: &[Action]) -> Option<String> {
        self.0.host.pool.suspects().deadly(key, id, pending, self.values())
    }

    fn forgive(&self, key: InstanceKey) {
        self.0.host.pool.suspects().forgive(key);
    }
}
