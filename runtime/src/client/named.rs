//! Starting and signalling by name and recorded value, for a door that knows no types.

use std::collections::BTreeMap;

use crate::client::start::{check_id, new_id};
use crate::client::{Backend, Client, Handle, ReuseId};
use crate::engine::event::Event;
use crate::error::{ErrorKind, RuntimeError};
use crate::function::Function;
use crate::payload::Payload;
use crate::registry::Registry;
use crate::store::StoreResult;
use crate::worker::request::Request;

impl Client {
    /// Starts the orchestrator of a name, in its newest version, and gives the instance id.
    pub(crate) async fn start_named(
        &self,
        name: &str,
        version: Option<&str>,
        input: Payload,
        id: Option<String>,
        reuse: ReuseId,
    ) -> StoreResult<String> {
        let (name, newest) = self.orchestrator_named(name)?;
        if let Some(asked) = version.filter(|asked| *asked != newest.to_string()) {
            let message =
                format!("new runs of `{name}` have version {newest}, not {asked}; ask for that, or leave the version out");
            return Err(RuntimeError::new(ErrorKind::Invalid, message));
        }
        let id = id.unwrap_or_else(new_id);
        check_id(&id)?;
        let (at, tags, replaces) = (None, BTreeMap::new(), Vec::new());
        let request = Request { id: id.clone(), name, version: newest, input, at, tags, replaces };
        self.create_or(request, reuse).await?;
        Ok(id)
    }

    /// The orchestrator of a name and its newest version. As with Durable Functions the case of the name says nothing, as long as it is
    /// clear which one is meant.
    ///
    /// A client without a worker knows what is linked into its own process.
    fn orchestrator_named(&self, name: &str) -> StoreResult<(String, u32)> {
        let linked;
        let registry = match &self.backend {
            Backend::Worker(worker) => worker.registry(),
            Backend::Store(_) => {
                linked = Registry::collect(true, &[], &[])?;
                &linked
            }
        };
        let mut alike = registry.orchestrator_names();
        alike.retain(|known| known.eq_ignore_ascii_case(name));
        let meant = match alike.as_slice() {
            [one] => *one,
            _ => name,
        };
        let found = registry.orchestrator(meant).ok_or_else(|| {
            let message = registry.not_registered(name, 1);
            RuntimeError::new(ErrorKind::Invalid, message)
        })?;
        Ok((meant.to_owned(), found.version()))
    }

    /// Raises an external event with a recorded value.
    pub(crate) async fn raise_named(&self, id: &str, name: &str, input: Payload) -> StoreResult<()> {
        self.send(id, Event::EventRaised { name: name.to_owned(), input }).await
    }

    /// Waits for the end of an orchestration, whatever it is.
    pub(crate) async fn wait_ended(&self, id: &str) -> StoreResult<()> {
        self.wait(id).await.map(drop)
    }
}

impl<F: Function> Handle<F> {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}
