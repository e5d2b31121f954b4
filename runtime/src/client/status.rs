//! Asking what is known of an orchestration.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::SystemTime;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::Client;
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::error::RuntimeError;
use crate::kernel::failure::Failure;
use crate::kernel::function::Recorded;
use crate::kernel::payload::Payload;
use crate::store::payload_store::PayloadStore;
use crate::store::{End, ErrorClass, Instance, NotTaken, Status, StoreResult, Stored, Timestamp};
use crate::worker::run::Run;

impl Client {
    /// Requests the status of an orchestration. Awaiting the request reads it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), or an error from the store.
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
        StatusRequest { client: self.clone(), run: Run::any(id), show_input: true }
    }

    /// The same for one run.
    pub(crate) async fn status_of(&self, run: Run, show_input: bool) -> StoreResult<InstanceStatus> {
        StatusRequest { client: self.clone(), run, show_input }.await
    }

    /// What is known of the instance that was found for `run` a moment ago. When it is another one meanwhile, it is read anew, as it is at
    /// one time.
    pub(crate) async fn completed(&self, run: &Run, instance: Instance, show_input: bool) -> StoreResult<InstanceStatus> {
        let (key, has_ended) = (instance.key, instance.state.status.is_terminal());
        let read = async move |store: PayloadStore| {
            let first = match show_input {
                true => store.turn_to_show(key, End::First).await?,
                false => store.closed_turn(key, End::First).await.or_else(|error| match error.class() {
                    ErrorClass::Permanent => Ok(None),
                    _ => Err(error),
                })?,
            };
            let last = match has_ended {
                true => store.turn_to_show(key, End::Last).await?,
                false => None,
            };
            Ok((first, last))
        };
        let (first, last) = self.ask(read).await?;
        let status = first.map(|first| InstanceStatus::new(instance, first, last, self.now()));
        let is_sound = |status: &InstanceStatus| status.outcome.is_some() || !status.runtime_status().is_terminal();
        let status = match status.filter(is_sound) {
            Some(status) => status,
            None => self.status_with_history(run).await?.0,
        };
        Ok(if show_input { status } else { InstanceStatus { input: None, ..status } })
    }

    /// What is known of an orchestration, and its history, as both were at one time. A value that cannot be decoded here is left encoded in
    /// the history.
    pub(crate) async fn status_with_history(&self, run: &Run) -> StoreResult<(InstanceStatus, Vec<Turn>)> {
        let which = run.lookup();
        let found = self.ask(async move |store| store.load_to_show(which).await).await?;
        let Stored { instance, history, .. } = found.ok_or_else(|| run.missing())?;
        let ends = [history.first(), history.last()].map(Option::<&Turn>::cloned);
        let [Some(first), last] = ends else { return Ok((InstanceStatus::listed(instance, self.now()), history)) };
        Ok((InstanceStatus::new(instance, first, last, self.now()), history))
    }
}

/// A request for the status of an orchestration, from [`Client::status`].
///
/// # Cancel safety
/// Awaiting it is cancel safe: it only reads.
#[must_use = "nothing is asked until the request is awaited"]
pub struct StatusRequest {
    client: Client,
    run: Run,
    show_input: bool,
}

impl StatusRequest {
    /// Whether to include the input, if it can be decoded. Without it, an input that is stored out of line is not read. Default: yes.
    pub fn show_input(mut self, show: bool) -> Self {
        self.show_input = show;
        self
    }

    async fn ask(self) -> Result<InstanceStatus, RuntimeError> {
        let instance = self.client.find_run(&self.run).await?;
        self.client.completed(&self.run, instance, self.show_input).await
    }
}

impl IntoFuture for StatusRequest {
    type Output = Result<InstanceStatus, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.ask().boxed()
    }
}

/// The status of an orchestration, from [`Client::status`].
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    instance: Instance,
    input: Option<Payload>,
    version: u32,
    execution: u32,
    outcome: Option<Recorded>,
    not_taken: Vec<NotTaken>,
}

impl InstanceStatus {
    /// With what its first turn tells, and its last one when it has ended.
    fn new(instance: Instance, first: Turn, last: Option<Turn>, now: Timestamp) -> Self {
        let mut status = Self { version: 1, execution: 1, ..Self::listed(instance, now) };
        for event in first.events {
            if let Event::ExecutionStarted { input, version, continued, .. } = event {
                (status.input, status.version) = (Some(input), version);
                status.execution = continued.map_or(1, |continued| continued.execution);
            }
        }
        if status.runtime_status().is_terminal() {
            for event in last.into_iter().flat_map(|last| last.events) {
                status.outcome = event.outcome();
                if let Event::EventsNotTaken { events } = event {
                    status.not_taken = events;
                }
            }
        }
        status
    }

    /// What is known without the history.
    pub(super) fn listed(mut instance: Instance, now: Timestamp) -> Self {
        // The first turn of a start that is put off is written already, at the time it is due.
        if instance.state.status == Status::Pending || instance.updated_at > now {
            instance.updated_at = instance.created_at;
        }
        Self { instance, input: None, version: 0, execution: 0, outcome: None, not_taken: Vec::new() }
    }

    /// The instance, of one of a list.
    #[cfg(feature = "http")]
    pub(crate) fn into_instance(self) -> Instance {
        self.instance
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

    /// The number of the execution, 1 until the orchestration has [continued as new](crate::continue_as_new).
    #[must_use]
    pub fn execution(&self) -> u32 {
        self.execution
    }

    /// The recorded arguments of the last execution, if they can be decoded here.
    #[must_use]
    pub fn input(&self) -> Option<&Payload> {
        self.input.as_ref().filter(|input| !input.is_sealed())
    }

    /// What it returned, when it has completed, if that can be decoded here.
    #[must_use]
    pub fn output(&self) -> Option<&Payload> {
        self.outcome.as_ref()?.as_ref().ok().filter(|output| !output.is_sealed())
    }

    /// Which of `input`, `output` and `custom status` are present but cannot be decoded, because they were encoded by a codec that this
    /// client does not have.
    #[must_use]
    pub fn unreadable(&self) -> Vec<&'static str> {
        let output = self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        let values =
            [("input", self.input.as_ref()), ("output", output), ("custom status", self.instance.state.custom_status.as_ref())];
        values.into_iter().filter(|(_, value)| value.is_some_and(|value| !value.is_readable())).map(|(name, _)| name).collect()
    }

    /// Why it failed, when it has failed or was terminated.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref()?.as_ref().err()
    }

    /// External events that were raised but not taken by any wait before the end. They are not known if the orchestration was terminated
    /// while it was suspended.
    #[must_use]
    pub fn events_not_taken(&self) -> &[NotTaken] {
        &self.not_taken
    }

    /// The last custom status that the orchestrator set, if it can be decoded here.
    #[must_use]
    pub fn custom_status(&self) -> Option<&Payload> {
        self.instance.state.custom_status.as_ref().filter(|status| !status.is_sealed())
    }

    /// Why it is parked, if it is: what its history holds, what its code does now, and where both were written.
    #[must_use]
    pub fn report(&self) -> Option<&str> {
        self.instance.state.report.as_deref().filter(|_| !self.runtime_status().is_terminal())
    }

    /// The id of the orchestration that called it, if one did.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        self.instance.parent.as_ref().map(|parent| parent.instance.as_str())
    }

    /// The tags it was started with.
    #[must_use]
    pub fn tags(&self) -> &BTreeMap<String, String> {
        &self.instance.tags
    }

    /// When it was created.
    #[must_use]
    pub fn created_at(&self) -> SystemTime {
        self.instance.created_at.into()
    }

    /// When its last turn ran, or when it was created if none has run yet.
    #[must_use]
    pub fn last_updated_at(&self) -> SystemTime {
        self.instance.updated_at.into()
    }
}
