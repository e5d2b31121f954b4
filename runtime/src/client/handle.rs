//! An orchestration that was started, as who started it sees it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::client::{Client, InstanceStatus, Named};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::{Function, Recorded, Returned, Storable};
use crate::orchestration::event::Event;
use crate::worker::run::Run;

/// An orchestration that was started, from [`Client::start`] or [`Client::attach`].
///
/// A handle from a start refers to that run; after [another start](crate::ReuseId) or a [restart](Client::restart) has replaced the run, it
/// finds nothing. An attached handle refers to whichever run has the id.
pub struct Handle<F> {
    client: Client,
    run: Run,
    function: PhantomData<fn() -> F>,
}

impl<F: Function> Handle<F> {
    /// Waits for the end and returns the declared result: a `Result<T, E>` if the orchestrator returns one, otherwise a
    /// `Result<T, Failure>`.
    ///
    /// In the worker's process nothing polls: the commit that ends the orchestration wakes the caller.
    ///
    /// # Errors
    /// The error that the orchestrator returned, or a [`Failure`], for example when the orchestration does not exist or the runtime shuts
    /// down.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it changes nothing, and an end that came meanwhile is found by the next call.
    pub async fn result(&self) -> <F::Kind as Returned<F::Output>>::Result {
        F::Kind::result(self.recorded().await)
    }
}

impl Handle<Named> {
    /// Waits for the end and returns the recorded outcome.
    ///
    /// # Errors
    /// The error that the orchestrator returned, or a [`Failure`], for example when the orchestration does not exist or the runtime shuts
    /// down.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it changes nothing, and an end that came meanwhile is found by the next call.
    pub async fn result(&self) -> Recorded {
        self.recorded().await
    }
}

impl<F> Handle<F> {
    pub(super) fn new(client: Client, run: Run) -> Self {
        Self { client, run, function: PhantomData }
    }

    async fn recorded(&self) -> Recorded {
        let recorded = self.client.outcome(&self.run).await;
        recorded.unwrap_or_else(|error| Err(Failure::new(FailureKind::Runtime, error.to_string())))
    }

    /// The client it asks.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The instance id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.run.id
    }

    /// The run it stands for.
    #[cfg(feature = "http")]
    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    /// Waits until its first turn has run: at once for one that was started in the process of the worker, at the time of the
    /// start for one that was [scheduled](crate::Start::at), and otherwise when a worker takes it up.
    ///
    /// # Errors
    /// As [`Client::status`].
    ///
    /// # Cancel safety
    /// This method is cancel safe: it changes nothing, and a beginning that came meanwhile is found by the next call.
    pub async fn started(&self) -> Result<(), RuntimeError> {
        self.client.wait_started(self.id()).await
    }

    /// The status of the orchestration.
    ///
    /// # Errors
    /// As [`Client::status`].
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn status(&self) -> Result<InstanceStatus, RuntimeError> {
        self.client.status_of(self.run.clone(), true).await
    }

    /// The value that the orchestrator last passed to [`set_custom_status`](crate::set_custom_status).
    ///
    /// # Errors
    /// As [`Client::status`], and [`ErrorKind::Invalid`] when the value cannot be read as a `T`.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn custom_status<T: DeserializeOwned>(&self) -> Result<Option<T>, RuntimeError> {
        let instance = self.client.find_run(&self.run).await?;
        let status = instance.state.custom_status.map(|status| status.decode()).transpose();
        status.map_err(|failure: Failure| {
            let why = self.client.store().payloads().values().told(failure);
            RuntimeError::new(ErrorKind::Invalid, format!("the custom status of `{}` cannot be read: {why}", self.run.id))
        })
    }

    /// Raises an external event, like [`Client::raise`].
    ///
    /// # Errors
    /// As [`Client::raise`].
    ///
    /// # Cancel safety
    /// As [`Client::raise`].
    pub async fn raise<T: Storable>(&self, event: Event<T>, value: T) -> Result<(), RuntimeError> {
        self.client.raise(self.id(), event, value).await
    }

    /// Ends the orchestration, like [`Client::terminate`].
    ///
    /// # Errors
    /// As [`Client::terminate`].
    ///
    /// # Cancel safety
    /// As [`Client::terminate`].
    pub async fn terminate(&self, reason: &str) -> Result<(), RuntimeError> {
        self.client.terminate(self.id(), reason).await
    }
}

impl<F> Clone for Handle<F> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), run: self.run.clone(), function: PhantomData }
    }
}

impl<F> fmt::Debug for Handle<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.run.id).finish()
    }
}
