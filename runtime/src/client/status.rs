//! Asking what is known of an orchestration.

use std::future::IntoFuture;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::{Client, InstanceStatus};
use crate::engine::event::Event;
use crate::error::RuntimeError;
use crate::store::End;

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
