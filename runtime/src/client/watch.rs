//! Following an orchestration.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::client::remote::{LONGEST_PAUSE, SHORTEST_PAUSE, within};
use crate::client::{Backend, Client, InstanceStatus};
use crate::kernel::error::RuntimeError;
use crate::kernel::machine::answers::shutting_down;
use crate::kernel::payload::Payload;
use crate::store::Status;
use crate::time::Time;
use crate::worker::Watching;

/// What lies at least between two looks, however often something is written.
const REST: Duration = Duration::from_millis(20);

impl Client {
    /// Follows an orchestration until its end: its current status first, then each change of the status, the custom status or the
    /// execution.
    ///
    /// It is driven by commits in the worker's process and by the store's notices elsewhere; nothing is read while nothing is written. Of
    /// changes that come faster than fifty times a second, only the last is seen.
    ///
    /// ```standalone_crate
    /// #[dacapo::orchestrator]
    /// async fn steps() -> u32 {
    ///     dacapo::set_custom_status("half way");
    ///     dacapo::sleep(std::time::Duration::from_millis(5)).await;
    ///     2
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// runtime.start(steps()).id("one").await?;
    /// let mut watch = runtime.watch("one");
    /// let mut last = None;
    /// while let Some(status) = watch.next().await? {
    ///     println!("{} {:?}", status.runtime_status(), status.custom_status());
    ///     last = Some(status);
    /// }
    /// assert_eq!(last.unwrap().output().unwrap().as_str(), "2");
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self, id: impl Into<String>) -> Watch {
        let (id, time) = (id.into(), self.time());
        let source = match &self.backend {
            Backend::Worker(worker) => Source::Worker(worker.watchers().watch(&id)),
            Backend::Store(remote) => {
                Source::Store { changed: remote.changed.clone(), since: time.uptime(), pause: SHORTEST_PAUSE }
            }
        };
        Watch { client: self.clone(), time, id, show_input: true, source, is_due: true, look: None, last: None }
    }
}

/// Follows an orchestration, from [`Client::watch`].
#[must_use = "nothing is asked until `next` is awaited"]
pub struct Watch {
    client: Client,
    time: Arc<dyn Time>,
    id: String,
    show_input: bool,
    source: Source,
    /// Whether something was written since the last look that succeeded.
    is_due: bool,
    /// A look that has begun; it goes on when a cancelled [`next`](Self::next) is called again.
    look: Option<BoxFuture<'static, Result<InstanceStatus, RuntimeError>>>,
    /// What was seen last, and when by `time`.
    last: Option<(Seen, Duration)>,
}

/// Who says that something was written.
enum Source {
    Worker(Watching),
    /// A write is heard of a moment before it can be read: after one there are several looks, each `pause` longer after the one before.
    Store {
        changed: watch::Receiver<()>,
        /// When the last pause began, by the time of the client.
        since: Duration,
        pause: Duration,
    },
}

impl Watch {
    /// Whether the statuses include the input, as with [`StatusRequest::show_input`](crate::StatusRequest::show_input). Default: yes.
    pub fn show_input(mut self, show: bool) -> Self {
        self.show_input = show;
        self
    }

    /// The next status: the current one at the first call, then each changed one, and `None` after the last.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), also when it was purged before its end was seen;
    /// [`ShuttingDown`](crate::ErrorKind::ShuttingDown) when the runtime ends first; or an error from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe. When its future is dropped before it completes, no status is lost: the next call returns it.
    pub async fn next(&mut self) -> Result<Option<InstanceStatus>, RuntimeError> {
        loop {
            let last = self.last.as_ref().map(|(last, _)| last);
            if last.is_some_and(|last| last.status.is_terminal()) {
                return Ok(None);
            }
            if !self.is_due {
                self.source.changed(&*self.time).await?;
                self.is_due = true;
            }
            let look = self.look.get_or_insert_with(|| {
                let left = self.last.as_ref().map(|(_, looked)| (*looked + REST).saturating_sub(self.time.uptime()));
                let rest = left.filter(|left| !left.is_zero()).map(|left| self.time.sleep(left));
                let status = self.client.status(&self.id).show_input(self.show_input);
                async move {
                    if let Some(rest) = rest {
                        rest.await;
                    }
                    status.await
                }
                .boxed()
            });
            let looked = look.await;
            self.look = None;
            let status = looked?;
            self.is_due = false;
            let seen = Seen::of(&status);
            let is_news = self.last.as_ref().is_none_or(|(last, _)| *last != seen);
            self.last = Some((seen, self.time.uptime()));
            if is_news {
                return Ok(Some(status));
            }
        }
    }
}

impl Source {
    /// Waits until it is time to look. Cancel safe.
    async fn changed(&mut self, time: &dyn Time) -> Result<(), RuntimeError> {
        match self {
            Self::Worker(watching) => watching.changed().await.then_some(()).ok_or_else(shutting_down),
            Self::Store { changed, since, pause } => {
                let heard = match *pause > LONGEST_PAUSE {
                    true => Some(changed.changed().await),
                    false => within(time, (*since + *pause).saturating_sub(time.uptime()), changed.changed()).await,
                };
                *pause = match heard {
                    Some(heard) => heard.map(|()| SHORTEST_PAUSE).map_err(|_| shutting_down())?,
                    None => 2 * *pause,
                };
                *since = time.uptime();
                Ok(())
            }
        }
    }
}

/// What makes a status another one. Without inputs and outputs, which may be long.
#[derive(PartialEq)]
struct Seen {
    status: Status,
    execution: u32,
    custom_status: Option<Payload>,
}

impl Seen {
    fn of(status: &InstanceStatus) -> Self {
        let custom_status = status.custom_status().cloned();
        Self { status: status.runtime_status(), execution: status.execution(), custom_status }
    }
}
