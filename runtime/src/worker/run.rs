//! Which run is meant, where an id may have had several.

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::answers::not_found;
use crate::store::payload_store::PayloadStore;
use crate::store::{Instance, InstanceKey, Lookup, StoreResult};

/// A run of an id.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    /// The run meant; without it whichever has the id.
    pub(crate) key: Option<InstanceKey>,
}

impl Run {
    /// Whichever run has the id.
    pub(crate) fn any(id: impl Into<String>) -> Self {
        Self { id: id.into(), key: None }
    }

    /// This one.
    pub(crate) fn of(instance: &Instance) -> Self {
        Self { id: instance.id.clone(), key: Some(instance.key) }
    }

    pub(crate) fn lookup(&self) -> Lookup {
        self.key.map_or_else(|| Lookup::Id(self.id.clone()), Lookup::Key)
    }

    /// It, as the store has it.
    pub(crate) async fn find(&self, store: &PayloadStore) -> StoreResult<Instance> {
        store.find(self.lookup()).await?.ok_or_else(|| self.missing())
    }

    /// It is not there.
    pub(crate) fn missing(&self) -> RuntimeError {
        match self.key {
            None => not_found(&self.id),
            Some(_) => {
                let message = format!("this run of `{}` was purged, or a later start has taken its place", self.id);
                RuntimeError::new(ErrorKind::NotFound, message)
            }
        }
    }
}
