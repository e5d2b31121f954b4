//! Going on with what was suspended or parked.

use std::future::IntoFuture;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::Client;
use crate::kernel::bounds::check_reason;
use crate::kernel::engine::event::Event;
use crate::kernel::error::RuntimeError;

impl Client {
    /// Resumes an orchestration that was suspended or parked. Awaiting the request resumes it.
    ///
    /// A parked one is replayed from its history; [`Resume::without_event`] skips an event that it cannot read.
    ///
    /// ```standalone_crate
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// const REVIEWED: dacapo::Event<()> = dacapo::Event::new("reviewed");
    /// const APPROVAL: dacapo::Event<bool> = dacapo::Event::new("approval");
    ///
    /// #[dacapo::orchestrator]
    /// async fn release() -> bool { REVIEWED.wait().await; APPROVAL.wait().await }
    ///
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let run = runtime.start(release()).id("v2").await?;
    /// // Raised before the orchestration has shown which type it waits for.
    /// runtime.raise_named("v2", "approval", "yes").await?;
    /// run.raise(REVIEWED, ()).await?;
    /// let mut watch = runtime.watch("v2");
    /// while watch.next().await?.expect("it has not ended").report().is_none() {}
    /// runtime.resume("v2", "that was not a bool").without_event(1).await?;
    /// run.raise(APPROVAL, true).await?;
    /// assert!(run.result().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(&self, id: impl Into<String>, reason: impl Into<String>) -> Resume {
        Resume { client: self.clone(), id: id.into(), reason: reason.into(), without_events: Vec::new() }
    }
}

/// A request to resume an orchestration, from [`Client::resume`].
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the orchestration is not suspended, when an event cannot be skipped, or, with
/// the report, when the orchestration still cannot continue; [`ErrorKind::NotFound`](crate::ErrorKind::NotFound),
/// [`ErrorKind::Finished`](crate::ErrorKind::Finished), or an error from the store.
///
/// # Cancel safety
/// Awaiting it is not cancel safe: when the future is dropped before it completes, the orchestration may go on or not, but never in part.
#[must_use = "nothing is resumed until the request is awaited"]
pub struct Resume {
    client: Client,
    id: String,
    reason: String,
    without_events: Vec<u64>,
}

impl Resume {
    /// Skips the external event with this number, which the report of a parked orchestration gives: no wait takes it any more, and it stays
    /// in the history. Can be called several times for several events.
    pub fn without_event(mut self, number: u64) -> Self {
        self.without_events.push(number);
        self
    }
}

impl IntoFuture for Resume {
    type Output = Result<(), RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, id, reason, without_events } = self;
        async move {
            check_reason(&reason)?;
            client.send(&id, Event::ExecutionResumed { reason, without_events }).await
        }
        .boxed()
    }
}
