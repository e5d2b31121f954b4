//! The sub-orchestrations of the orchestrations of a worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kernel::engine::event::{CallId, Event, Parent, Turn};
use crate::kernel::engine::execution::Action;
use crate::kernel::error::RuntimeError;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::trace::TraceContext;
use crate::store::{self, ErrorClass, InstanceKey, Lookup, NewInstance, State, StoreResult, Timestamp};
use crate::worker::message::Message;
use crate::worker::{Worker, instance};

impl Worker {
    /// The instances of the sub-orchestrations among `actions`, in their order.
    pub(crate) fn children(
        &self,
        parent: &Arc<str>,
        now: Timestamp,
        actions: &[Action],
        trace: Option<&TraceContext>,
    ) -> Vec<NewInstance> {
        let child = |action: &Action| {
            let Action::StartChild { id, name, instance, input, detached } = action else {
                return None;
            };
            let parent = (!detached).then(|| Parent { instance: parent.to_string(), id: *id });
            let registered = self.registry.orchestrator(name);
            let (version, shape) = registered.map_or((1, 0), |registered| (registered.version(), registered.shape()));
            let started = Event::ExecutionStarted {
                name: (*name).to_owned(),
                version,
                input: input.clone(),
                shape,
                parent: parent.clone(),
                continued: None,
                trace: trace.cloned().map(Box::new),
            };
            Some(NewInstance {
                id: instance.clone(),
                name: (*name).to_owned(),
                parent,
                created_at: now,
                turn: Turn { at: now, events: vec![started] },
                state: State::pending(),
                tags: BTreeMap::new(),
            })
        };
        actions.iter().filter(|action| self.refused_child(action).is_none()).filter_map(child).collect()
    }

    /// The failure of a sub-orchestration whose input is too long.
    pub(crate) fn refused_child(&self, action: &Action) -> Option<Event> {
        let Action::StartChild { id, name, input, .. } = action else { return None };
        let excess = self.store.payloads().excess(format_args!("the input of `{name}`"), input)?;
        Some(Event::SubOrchestrationInstanceFailed { id: *id, failure: Failure::new(FailureKind::Codec, excess), retry_at: None })
    }

    /// Looks whether a sub-orchestration has ended while its caller, the instance with `key`, was not loaded.
    pub(crate) fn check_child(self: &Arc<Self>, parent: &Arc<str>, key: InstanceKey, call: CallId, child: String) {
        let (worker, parent, posted_for) = (self.clone(), parent.clone(), Some(key));
        self.spawn(async move {
            let find = || worker.store.find(Lookup::Id(child.clone()));
            let found = match worker.patiently("look for a sub-orchestration", find).await {
                Ok(found) => found,
                Err(error) => return unread(&child, &error),
            };
            let ours = Parent { instance: parent.to_string(), id: call };
            let Some(found) = found.filter(|found| found.parent.as_ref() == Some(&ours)) else {
                return worker.route(&parent, Message { posted_for, ..Message::of(instance::id_taken(call, &child)) });
            };
            if !found.state.status.is_terminal() {
                return worker.note_child(&parent, key, call, found.key);
            }
            let last = || worker.store.turn(found.key, store::End::Last);
            match worker.patiently("read the result of a sub-orchestration", last).await {
                Ok(last) => {
                    if let Some(outcome) = last.and_then(|turn| turn.events.last().and_then(Event::outcome)) {
                        worker.route(&parent, Message { posted_for, ..Message::of(Event::for_parent(call, outcome)) });
                    }
                }
                Err(error) => unread(&child, &error),
            }
        });
    }

    /// Notes which instance a call of a loaded instance has made.
    fn note_child(&self, parent: &Arc<str>, key: InstanceKey, call: CallId, child: InstanceKey) {
        let loaded = self.instances().get(parent).cloned();
        if let Some(loaded) = loaded {
            loaded.note_child(key, call, child);
        }
    }

    /// The messages that end what an orchestration waits for that is terminated while it is set aside.
    pub(super) async fn living_children(self: &Arc<Self>, id: &str) -> StoreResult<Vec<(String, Event)>> {
        let query = store::Query { parent: Some(id.to_owned()), limit: u32::MAX as usize, ..store::Query::default() };
        let read = || self.store.query(query.clone());
        let children = self.patiently("read the sub-orchestrations of a terminated run", read).await?;
        let living = children.into_iter().filter(|child| !child.state.status.is_terminal());
        Ok(living.map(|child| (child.id, instance::no_longer_awaited(id))).collect())
    }
}

/// The end of a worker is told elsewhere.
fn unread(instance: &str, error: &RuntimeError) {
    if error.class() == ErrorClass::Permanent {
        tracing::error!(instance, %error, "failed to read an orchestration; its caller keeps waiting, and looks again when it is resumed");
    }
}
