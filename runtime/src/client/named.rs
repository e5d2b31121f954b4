//! Starting, signalling and waiting by name and JSON, for a door that knows no types.

use serde::Serialize;

use crate::client::start::Named;
use crate::client::{Backend, Client, Handle, InstanceStatus, Start};
use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::payload::Payload;
use crate::store::{Registered, RegisteredKind, StoreResult};
use crate::worker::run::Run;

/// No version asked for: the newest.
const NEWEST: u32 = 0;

impl Client {
    /// Requests a run of an orchestrator by name, in its newest version, with JSON input: `null` if the orchestrator takes no argument,
    /// the argument itself if it takes one, and an object keyed by argument name if it takes several. Awaiting the request starts the
    /// run; the input's type is checked when the run begins.
    ///
    /// The store's worker knows the names. As in Durable Functions, names match case-insensitively when unambiguous.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the worker has no such orchestrator, or when no worker has opened the store yet and no
    /// [version](Start::version) is given; otherwise as for [`start`](Self::start).
    ///
    /// ```standalone_crate
    /// #[dacapo::orchestrator]
    /// async fn price(item: String, count: u32) -> u32 { item.len() as u32 * count }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let run = runtime.start_named("price", serde_json::json!({ "item": "lamp", "count": 3 })).await?;
    /// assert_eq!(run.result().await?.as_str(), "12");
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_named(&self, name: impl Into<String>, input: impl Serialize) -> Start<Named> {
        Start::new(self.clone(), name.into(), NEWEST, Payload::encode(&input), None)
    }

    /// The handle of an orchestration that was started before, of any orchestrator.
    pub fn attach_named(&self, id: impl Into<String>) -> Handle<Named> {
        Handle::new(self.clone(), Run::any(id))
    }

    /// Raises an external event with a JSON value, as [`raise`](Self::raise) does with a typed one.
    ///
    /// # Errors
    /// As for [`raise`](Self::raise); [`ErrorKind::Invalid`] when the value has no JSON form.
    ///
    /// # Cancel safety
    /// As [`raise`](Self::raise).
    pub async fn raise_named(&self, id: &str, name: &str, value: impl Serialize) -> Result<(), RuntimeError> {
        let input = Payload::encode(&value).map_err(|failure| RuntimeError::new(ErrorKind::Invalid, failure.to_string()))?;
        self.send(id, Event::EventRaised { name: name.to_owned(), input }).await
    }

    /// Waits until an orchestration has ended, in any way, and returns its last status.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or an error from the store; [`ErrorKind::ShuttingDown`] when the runtime shuts down first.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it changes nothing, and an end that came meanwhile is found by the next call.
    pub async fn wait(&self, id: &str) -> Result<InstanceStatus, RuntimeError> {
        let run = Run::any(id);
        let _ = self.outcome(&run).await?;
        self.status_of(run, true).await
    }

    /// Lists what can be run by name: what is registered with the worker of this process, or with the last worker that had the store open.
    ///
    /// # Errors
    /// Errors from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn registered(&self) -> Result<Vec<Registered>, RuntimeError> {
        match &self.backend {
            Backend::Worker(worker) => Ok(worker.registry().registered()),
            Backend::Store(remote) => remote.store.registered().await,
        }
    }

    /// The orchestrator that is meant by a name, and its newest version.
    pub(super) async fn orchestrator_named(&self, name: &str, asked: u32) -> StoreResult<(String, u32)> {
        let invalid = |message: String| Err(RuntimeError::new(ErrorKind::Invalid, message));
        let mut registered = self.registered().await?;
        if registered.is_empty() {
            return match asked {
                NEWEST => invalid(format!(
                    "no worker has opened this store yet, so nobody knows whether there is an orchestrator `{name}`; \
                     open it once with your program, or say which version is to run"
                )),
                asked => Ok((name.to_owned(), asked)),
            };
        }
        registered.retain(|found| found.kind == RegisteredKind::Orchestrator);
        let Some(newest) = alike(&registered, name).into_iter().max_by_key(|found| found.version) else {
            return invalid(not_registered("orchestrator", name, &registered));
        };
        let (name, newest) = (newest.name.clone(), newest.version);
        if ![NEWEST, newest].contains(&asked) {
            return invalid(format!(
                "new runs of `{name}` have version {newest}, not {asked}; ask for that, or leave the version out"
            ));
        }
        Ok((name, newest))
    }

    /// The name of the entity type that is meant by a name; nothing when no worker has opened the store yet, so that nobody knows.
    pub(super) async fn entity_named(&self, name: &str) -> StoreResult<Option<String>> {
        let mut registered = self.registered().await?;
        if registered.is_empty() {
            return Ok(None);
        }
        registered.retain(|found| found.kind == RegisteredKind::Entity);
        let meant = alike(&registered, name).first().map(|found| found.name.clone());
        let unknown = || RuntimeError::new(ErrorKind::Invalid, not_registered("entity", name, &registered));
        meant.map(Some).ok_or_else(unknown)
    }
}

/// What a name means, the case of which says nothing as long as it is clear.
fn alike<'a>(registered: &'a [Registered], name: &str) -> Vec<&'a Registered> {
    let mut alike: Vec<_> = registered.iter().filter(|found| found.name.eq_ignore_ascii_case(name)).collect();
    if alike.iter().any(|found| found.name != alike[0].name) {
        alike.retain(|found| found.name == name);
    }
    alike
}

fn not_registered(kind: &str, name: &str, registered: &[Registered]) -> String {
    let mut names: Vec<_> = registered.iter().map(|found| found.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    format!("no {kind} named `{name}` is registered with the worker; registered: {}", names.join(", "))
}
