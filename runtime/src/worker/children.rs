//! The sub-orchestrations of the orchestrations of a shard.

use std::sync::Arc;

use crate::kernel::engine::event::{CallId, Event, Parent};
use crate::kernel::error::{ErrorClass, RuntimeError};
use crate::kernel::machine::answers::{id_taken, no_longer_awaited};
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::message::Message;
use crate::kernel::stored::{InstanceKey, StoreResult};
use crate::store::{self, Lookup};
use crate::worker::shard::Shard;

impl Shard {
    /// Looks whether a sub-orchestration has ended while its caller, the instance with `key`, was not loaded.
    pub(super) fn check_child(self: &Arc<Self>, parent: &Arc<str>, key: InstanceKey, call: CallId, child: String) {
        let (shard, parent, posted_for) = (self.clone(), parent.clone(), Some(key));
        self.host.spawn(async move {
            let find = || shard.store.find(Lookup::Id(child.clone()));
            let found = match shard.patiently("look for a sub-orchestration", find).await {
                Ok(found) => found,
                Err(error) => return unread(&child, &error),
            };
            let ours = Parent { instance: parent.to_string(), id: call };
            let Some(found) = found.filter(|found| found.parent.as_ref() == Some(&ours)) else {
                return shard.route(&parent, Message { posted_for, ..Message::of(id_taken(call, &child)) });
            };
            if !found.state.status.is_terminal() {
                return shard.note_child(&parent, key, call, found.key);
            }
            let last = || shard.store.turn(found.key, store::End::Last);
            match shard.patiently("read the result of a sub-orchestration", last).await {
                Ok(last) => {
                    if let Some(outcome) = last.and_then(|turn| turn.events.last().and_then(Event::outcome)) {
                        let ended = Some(found.key);
                        shard.note_child(&parent, key, call, found.key);
                        shard.route(&parent, Message { posted_for, ended, ..Message::of(Event::for_parent(call, outcome)) });
                    }
                }
                Err(error) => unread(&child, &error),
            }
        });
    }

    /// Notes which instance a call of a loaded instance has made.
    fn note_child(self: &Arc<Self>, parent: &Arc<str>, own: InstanceKey, call: CallId, child: InstanceKey) {
        if let Some(loaded) = self.residents.instances.get(parent) {
            self.tell(&loaded, Input::Child { own, call, child });
        }
    }

    /// The messages that end what an orchestration waits for that is terminated while it is set aside.
    pub(super) async fn living_children(self: &Arc<Self>, id: &str) -> StoreResult<Vec<(String, Event)>> {
        let query = store::Query { parent: Some(id.to_owned()), limit: u32::MAX as usize, ..store::Query::default() };
        let read = || self.store.query(query.clone());
        let children = self.patiently("read the sub-orchestrations of a terminated run", read).await?;
        let living = children.into_iter().filter(|child| !child.state.status.is_terminal());
        Ok(living.map(|child| (child.id, no_longer_awaited(id))).collect())
    }
}

/// The end of a worker is told elsewhere.
fn unread(instance: &str, error: &RuntimeError) {
    if error.class() == ErrorClass::Permanent {
        tracing::error!(instance, %error, "failed to read an orchestration; its caller keeps waiting, and looks again when it is resumed");
    }
}
