//! Deleting what has finished.

use std::future::IntoFuture;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::{Backend, Client};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::instance_id;
use crate::kernel::machine::answers::not_found;
use crate::store::{Batch, Instance, Query, StoreResult};

impl Client {
    /// Deletes a finished orchestration with its history, messages and tags. Awaiting the request deletes it.
    ///
    /// An [entity](crate::entity) never finishes. Given its id `@name@key`, it is deleted with its state unless it is locked or a message
    /// waits for it; only a client in the worker's process can do so.
    ///
    /// ```standalone_crate
    /// #[dacapo::orchestrator]
    /// async fn nothing() {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// runtime.start(nothing()).id("done").await?.result().await?;
    /// runtime.purge("done").await?;
    /// assert!(runtime.status("done").await.unwrap_err().is_not_found());
    /// # Ok(())
    /// # }
    /// ```
    pub fn purge(&self, id: impl Into<String>) -> Purge {
        Purge { client: self.clone(), id: id.into(), recursive: false }
    }

    /// The sub-orchestrations of an orchestration, theirs, and so on, callers before those they called.
    pub(super) async fn descendants(&self, id: &str) -> StoreResult<Vec<Instance>> {
        let mut found: Vec<Instance> = Vec::new();
        let mut next = 0;
        let mut parent = id.to_owned();
        loop {
            let query = Query { parent: Some(parent.clone()), limit: u32::MAX as usize, ..Query::default() };
            found.extend(self.ask(async move |store| store.query(query).await).await?);
            let Some(instance) = found.get(next) else { return Ok(found) };
            parent.clone_from(&instance.id);
            next += 1;
        }
    }
}

/// A request to delete an orchestration, from [`Client::purge`].
///
/// # Errors
/// [`ErrorKind::NotFound`]; [`ErrorKind::Unfinished`] when it, the one that called it, or one that it called has not finished;
/// nothing is deleted in that case. [`ErrorKind::Invalid`] for an entity from a client of another process.
///
/// # Cancel safety
/// Awaiting it is not cancel safe: when the future is dropped before it completes, the orchestration may have been purged or not, and some
/// of its sub-orchestrations without it. Purge again for the rest.
#[must_use = "nothing is deleted until the request is awaited"]
pub struct Purge {
    client: Client,
    id: String,
    recursive: bool,
}

impl Purge {
    /// Deletes its sub-orchestrations, too, and theirs. Otherwise they stay, as if a client had started them.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }
}

impl IntoFuture for Purge {
    /// How many orchestrations were deleted.
    type Output = Result<u64, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let root = self.client.find(&self.id).await?;
            if instance_id::is_entity(&self.id) {
                return self.client.purge_entity(&root).await.map(|()| 1);
            }
            let mut doomed = vec![root];
            if self.recursive {
                doomed.extend(self.client.descendants(&self.id).await?);
            }
            if let Some(living) = doomed.iter().find(|instance| !instance.state.status.is_terminal()) {
                return Err(crate::store::unfinished(&living.id));
            }
            // All or none, so that a crash leaves nothing half purged.
            let purge = doomed.iter().map(|instance| instance.key).collect();
            let applied = self.client.apply(Batch { purge, ..Batch::default() }).await?;
            // Somebody else was faster.
            if applied.purged == 0 { Err(not_found(&self.id)) } else { Ok(applied.purged as u64) }
        }
        .boxed()
    }
}

impl Client {
    async fn purge_entity(&self, entity: &Instance) -> StoreResult<()> {
        let Backend::Worker(worker) = &self.backend else {
            let message = format!(
                "cannot purge `{}`: only the process of the worker can purge an entity; signal it `delete`, which removes its state",
                entity.id
            );
            return Err(RuntimeError::new(ErrorKind::Invalid, message));
        };
        match worker.registry().entity(instance_id::entity_name(&entity.id)) {
            Some(_) => worker.purge_entity(entity).await,
            // One of another build is not in memory.
            None if self.purge_one(entity).await? => Ok(()),
            None => Err(not_found(&entity.id)),
        }
    }

    /// Deletes one instance in a transaction of its own. `false` when somebody else has done it.
    pub(super) async fn purge_one(&self, instance: &Instance) -> StoreResult<bool> {
        let applied = self.apply(Batch { purge: vec![instance.key], ..Batch::default() }).await?;
        Ok(applied.purged > 0)
    }
}
