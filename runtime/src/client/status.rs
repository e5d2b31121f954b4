//! Asking what is known of an orchestration.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::SystemTime;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::Client;
use crate::engine::event::Event;
use crate::error::RuntimeError;
use crate::failure::Failure;
use crate::function::Recorded;
use crate::payload::Payload;
use crate::store::{self, End, Status};

impl Client {
    /// What is known of an orchestration. Awaiting the request asks for it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), or a failing store.
    ///
    /// ```standalone_crate
    /// #[dacapo::orchestrator]
    /// async fn double(n: u32) -> u32 { 2 * n }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// runtime.start(double(4)).id("one").await?.result().await?;
    /// let status = runtime.status("one").await?;
    /// assert_eq!((status.input().unwrap().as_str(), status.output().unwrap().as_str()), ("4", "8"));
    /// assert_eq!(runtime.status("one").show_input(false).await?.input(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self, id: impl Into<String>) -> StatusRequest {
        StatusRequest { client: self.clone(), id: id.into(), show_input: true }
    }
}

/// A question for what is known of an orchestration, from [`Client::status`].
#[must_use = "nothing is asked until the request is awaited"]
pub struct StatusRequest {
    client: Client,
    id: String,
    show_input: bool,
}

impl StatusRequest {
    /// Whether to tell the input, if it can be decoded. Without it one that is kept beside the history is not read. Default: yes.
    pub fn show_input(mut self, show: bool) -> Self {
        self.show_input = show;
        self
    }

    async fn ask(self) -> Result<InstanceStatus, RuntimeError> {
        let store = self.client.store();
        let instance = self.client.find(&self.id).await?;
        let opened = match self.show_input {
            true => store.turn_if_readable(instance.key, End::First).await?,
            false => None,
        };
        let show_input = opened.is_some();
        let first = match opened {
            Some(first) => Some(first),
            None => store.closed_turn(instance.key, End::First).await?,
        };
        let (mut input, mut version, mut execution) = (None, 1, 1);
        for event in first.into_iter().flat_map(|turn| turn.events) {
            if let Event::ExecutionStarted { input: started_with, version: started_as, continued, .. } = event {
                (input, version) = (Some(started_with).filter(|_| show_input), started_as);
                execution = continued.map_or(1, |continued| continued.execution);
            }
        }
        let mut outcome = None;
        if instance.state.status.is_terminal()
            && let Some(last) = store.turn_if_readable(instance.key, End::Last).await?
        {
            outcome = last.events.last().and_then(Event::outcome);
        }
        Ok(InstanceStatus { instance, input, version, execution, outcome })
    }
}

impl IntoFuture for StatusRequest {
    type Output = Result<InstanceStatus, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.ask().boxed()
    }
}

/// What is known of an orchestration, from [`Client::status`].
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    instance: store::Instance,
    input: Option<Payload>,
    version: u32,
    execution: u32,
    outcome: Option<Recorded>,
}

impl InstanceStatus {
    /// What is known without the history.
    pub(super) fn listed(instance: store::Instance) -> Self {
        Self { instance, input: None, version: 0, execution: 0, outcome: None }
    }

    /// The instance id.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        &self.instance.id
    }

    /// The name of the orchestrator.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// The status.
    #[must_use]
    pub fn runtime_status(&self) -> Status {
        self.instance.state.status
    }

    /// The version of the orchestrator it was started with and goes on with.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The number of the generation, 1 until the orchestration has [continued as new](crate::continue_as_new).
    #[must_use]
    pub fn execution(&self) -> u32 {
        self.execution
    }

    /// The recorded arguments, those of the last generation.
    #[must_use]
    pub fn input(&self) -> Option<&Payload> {
        self.input.as_ref()
    }

    /// What it returned, when it has completed.
    #[must_use]
    pub fn output(&self) -> Option<&Payload> {
        self.outcome.as_ref()?.as_ref().ok()
    }

    /// Why it failed, when it has failed or was terminated.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref()?.as_ref().err()
    }

    /// What the orchestrator last said of itself.
    #[must_use]
    pub fn custom_status(&self) -> Option<&Payload> {
        self.instance.state.custom_status.as_ref()
    }

    /// Why it was parked, when it is: what its history holds, what its code does now, and where both were written.
    #[must_use]
    pub fn report(&self) -> Option<&str> {
        self.instance.state.report.as_deref()
    }

    /// The id of the orchestration that called it, if one did.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        self.instance.parent.as_ref().map(|parent| parent.instance.as_str())
    }

    /// What it was labelled with at its start.
    #[must_use]
    pub fn tags(&self) -> &BTreeMap<String, String> {
        &self.instance.tags
    }

    /// When it was asked for.
    #[must_use]
    pub fn created_at(&self) -> SystemTime {
        self.instance.created_at.into()
    }

    /// When its last turn ran.
    #[must_use]
    pub fn last_updated_at(&self) -> SystemTime {
        self.instance.updated_at.into()
    }
}
