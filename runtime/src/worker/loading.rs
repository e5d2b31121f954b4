//! Reads instances, and finds out what becomes of messages for one that is not there.

use std::sync::Arc;

use crate::kernel::error::{ErrorClass, ErrorKind, RuntimeError};
use crate::kernel::machine::answers::not_found;
use crate::kernel::machine::instance::{Found, Input, Loaded};
use crate::kernel::machine::message::Message;
use crate::kernel::stored::StoreResult;
use crate::store::payload_store::Arguments;
use crate::store::{Lookup, Messages};
use crate::worker::shard::Shard;

impl Shard {
    /// Reads an instance, its history and its inbox.
    pub(super) async fn load(self: &Arc<Self>, id: &str, with_arguments: bool) -> Input {
        let read = self.patiently("load an orchestration", || self.read(id, with_arguments)).await;
        Input::Loaded(match read {
            Ok(Some(found)) if !found.stored.instance.state.status.is_terminal() => Loaded::Found(Box::new(found)),
            Ok(Some(found)) => {
                let unwanted = found.messages.into_iter().map(|message| message.number).collect();
                let status = found.stored.instance.state.status.as_str().to_lowercase();
                let error = RuntimeError::new(ErrorKind::Finished, format!("the orchestration `{id}` has {status} already"));
                Loaded::Nothing { unwanted, error }
            }
            Ok(None) => Loaded::Nothing { unwanted: Vec::new(), error: not_found(id) },
            Err(error) => {
                if error.class() == ErrorClass::Permanent {
                    tracing::error!(instance = id, %error, "failed to load an orchestration; what it waits for stays in the store");
                }
                Loaded::Failed(error)
            }
        })
    }

    async fn read(&self, id: &str, with_arguments: bool) -> StoreResult<Option<Found>> {
        let arguments = if with_arguments { Arguments::IfThere } else { Arguments::Digests };
        let Some((stored, mut unreadable)) = self.store.load_to_replay(Lookup::Id(id.to_owned()), arguments).await? else {
            return Ok(None);
        };
        let messages = self.store.messages(Messages::Of(stored.instance.key)).await?;
        if let Some(error) = messages.iter().find_map(|message| message.event.as_ref().err()) {
            let message = "a pending event cannot be decoded";
            unreadable.get_or_insert_with(|| RuntimeError::new(ErrorKind::Unreadable, message).caused_by(error));
        }
        Ok(Some(Found { stored, messages, unreadable }))
    }

    /// Looks again whether there is an orchestration of this id: since it was read it may have been created, replaced or rewound, and what
    /// has come is for that one.
    pub(super) async fn find_home(
        self: &Arc<Self>,
        id: &Arc<str>,
        messages: Vec<Message>,
        unwanted: Vec<i64>,
        error: RuntimeError,
        looks_again: bool,
    ) {
        let find = || self.store.find(Lookup::Id(id.to_string()));
        let found = match messages.is_empty() && unwanted.is_empty() && !looks_again {
            true => Ok(None),
            false => self.patiently("look for an orchestration", find).await,
        };
        if looks_again && found.is_ok() {
            self.scan_later();
        }
        match found {
            Ok(Some(found)) if !found.state.status.is_terminal() => {
                self.wake(id);
                messages.into_iter().for_each(|message| self.route(id, message));
            }
            found => {
                if found.is_ok() {
                    self.discard(unwanted);
                }
                messages.into_iter().for_each(|message| message.refuse(error.clone()));
            }
        }
        // Whoever took it for one that runs looks again.
        self.waiters.lock().remove(id);
    }
}
