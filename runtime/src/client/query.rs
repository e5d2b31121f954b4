//! Listing and counting orchestrations.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::SystemTime;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};

use crate::client::{Client, InstanceStatus};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::{self, After, Status, StoreResult};

/// How many are deleted together, so that they share commits.
const PURGED_AT_ONCE: usize = 64;

/// The statuses of what has ended.
const FINISHED: [Status; 3] = [Status::Completed, Status::Failed, Status::Terminated];

impl Client {
    /// Lists orchestrations. Awaiting the query returns its first [`Page`].
    ///
    /// ```standalone_crate
    /// use dacapo::{Runtime, Status, orchestrator};
    ///
    /// #[orchestrator]
    /// async fn nothing() {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = Runtime::open("memory:").await?;
    /// for n in 0..3 {
    ///     runtime.start(nothing()).id(format!("order-{n}")).tag("tenant", "acme").await?.result().await?;
    /// }
    /// let page = runtime.query().status(Status::Completed).tag("tenant", "acme").page_size(2).await?;
    /// assert_eq!(page.instances().iter().map(|run| run.instance_id()).collect::<Vec<_>>(), ["order-2", "order-1"]);
    /// let rest = runtime.query().status(Status::Completed).tag("tenant", "acme").after(page.next().unwrap()).await?;
    /// assert_eq!((rest.instances().len(), rest.next()), (1, None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(&self) -> Query {
        Query { client: self.clone(), query: store::Query { limit: 100, ..store::Query::default() }, statuses: None, after: None }
    }

    /// How many orchestrations there are of each status.
    ///
    /// # Errors
    /// Errors from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn counts(&self) -> Result<Counts, RuntimeError> {
        self.ask(async move |store| store.counts().await).await.map(Counts)
    }
}

impl Client {
    /// Deletes those that can be, together, so that they share commits, and counts them.
    fn purge_finished(&self, found: Vec<store::Instance>) -> BoxFuture<'static, StoreResult<u64>> {
        let client = self.clone();
        async move {
            let purge = |instance| {
                let client = client.clone();
                async move { client.purge_one(&instance).await }
            };
            let mut purging = stream::iter(found).map(purge).buffer_unordered(PURGED_AT_ONCE);
            let mut purged = 0;
            while let Some(done) = purging.next().await {
                match done {
                    Ok(done) => purged += u64::from(done),
                    Err(error) if error.kind() == ErrorKind::Unfinished => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(purged)
        }
        .boxed()
    }
}

/// A query for orchestrations, from [`Client::query`]. Every filter narrows it.
///
/// The newest come first; with [`id_prefix`](Self::id_prefix), results are sorted by id. A page starts after the last result of the page
/// before, so none is missed or repeated while others are started.
///
/// # Cancel safety
/// Awaiting it is cancel safe: it only reads.
#[must_use = "a query asks nothing until it is awaited"]
#[derive(Clone)]
pub struct Query {
    client: Client,
    query: store::Query,
    /// None that is named: any. An empty list matches nothing.
    statuses: Option<Vec<Status>>,
    after: Option<String>,
}

impl Query {
    /// Only runs with this status. When called several times, only runs with one of these statuses.
    pub fn status(self, status: Status) -> Self {
        self.statuses([status])
    }

    /// Only runs with one of these statuses, in addition to those named before. If no status is named at all, as with an empty list,
    /// the query matches nothing.
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = Status>) -> Self {
        self.statuses.get_or_insert_default().extend(statuses);
        self
    }

    /// Only runs that have completed, failed or been terminated.
    pub fn finished(self) -> Self {
        self.statuses(FINISHED)
    }

    /// Only runs of the orchestrator with this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.query.name = Some(name.into());
        self
    }

    /// Only runs whose instance id starts with `prefix`.
    pub fn id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.query.id_prefix = Some(prefix.into());
        self
    }

    /// Only runs created at `from` or later.
    pub fn created_from(mut self, from: SystemTime) -> Self {
        self.query.created_from = Some(from.into());
        self
    }

    /// Only runs created before `to`.
    pub fn created_to(mut self, to: SystemTime) -> Self {
        self.query.created_to = Some(to.into());
        self
    }

    /// Only runs with this tag. When called several times, only runs with all of these tags.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.tags.push((name.into(), value.into()));
        self
    }

    /// Only sub-orchestrations of the orchestration with this id.
    pub fn parent(mut self, id: impl Into<String>) -> Self {
        self.query.parent = Some(id.into());
        self
    }

    /// The maximum number of results per page, from 1 to 10,000. Default: 100.
    pub fn page_size(mut self, limit: usize) -> Self {
        self.query.limit = limit;
        self
    }

    /// Continues after a page, given its [`next`](Page::next).
    pub fn after(mut self, token: impl Into<String>) -> Self {
        self.after = Some(token.into());
        self
    }

    /// Deletes every run that the query matches, each in its own transaction, and returns how many were deleted.
    ///
    /// Runs that called an unfinished orchestration, or were called by one, are kept. The query must name statuses; only
    /// [finished](Self::finished) runs can be deleted.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the query names no status, names one that is not final, or has an empty id prefix; or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, some of what it found may have been purged, each of
    /// them whole. Call it again for the rest.
    pub async fn purge(mut self) -> Result<u64, RuntimeError> {
        let refused = |why: &str| Err(RuntimeError::new(ErrorKind::Invalid, format!("cannot purge: {why}")));
        let Some(statuses) = &self.statuses else {
            return refused("the query names no status; add `.finished()`, or `.status(..)` for only some of them");
        };
        if let Some(status) = statuses.iter().find(|status| !status.is_terminal()) {
            let asks = "only finished ones can be purged; ask for Completed, Failed or Terminated";
            return refused(&format!("the query asks for runs that are {status}, and {asks}"));
        }
        if self.query.id_prefix.as_deref() == Some("") {
            return refused("the id prefix is empty and matches every id; leave it out to purge all");
        }
        let mut purged = 0;
        loop {
            let found = self.ask().await?;
            purged += self.client.purge_finished(found.clone()).await?;
            let Some(last) = found.last().filter(|_| found.len() == self.query.limit) else { return Ok(purged) };
            self.after = Some(token_after(last));
        }
    }

    async fn ask(&self) -> Result<Vec<store::Instance>, RuntimeError> {
        let mut query = self.query.clone();
        check_page_size(query.limit)?;
        match &self.statuses {
            Some(statuses) if statuses.is_empty() => return Ok(Vec::new()),
            statuses => query.statuses = statuses.clone().unwrap_or_default(),
        }
        if let Some(token) = &self.after {
            query.after = Some(place(token)?);
        }
        self.client.ask(async move |store| store.query(query).await).await
    }
}

pub(super) fn check_page_size(limit: usize) -> Result<(), RuntimeError> {
    if (1..=10_000).contains(&limit) {
        return Ok(());
    }
    let message = format!("a page of {limit} cannot be given; ask for 1 to 10,000");
    Err(RuntimeError::new(ErrorKind::Invalid, message))
}

/// What a page gives as its `next`.
pub(super) fn token(last: &After) -> String {
    format!("{}:{}", last.key, last.id)
}

/// The place that such a text stands for.
pub(super) fn place(token: &str) -> Result<After, RuntimeError> {
    let parsed = token.split_once(':').and_then(|(key, id)| Some(After { key: key.parse().ok()?, id: id.to_owned() }));
    parsed.ok_or_else(|| {
        let message = format!("`{token}` is not what a page of this query gave as its `next`");
        RuntimeError::new(ErrorKind::Invalid, message)
    })
}

/// The token of the page that goes on after an instance.
pub(crate) fn token_after(last: &store::Instance) -> String {
    token(&After { key: last.key, id: last.id.clone() })
}

impl IntoFuture for Query {
    type Output = Result<Page, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let found = self.ask().await?;
            let next = found.last().filter(|_| found.len() == self.query.limit).map(token_after);
            let now = self.client.now();
            let instances = found.into_iter().map(|instance| InstanceStatus::listed(instance, now)).collect();
            Ok(Page { instances, next })
        }
        .boxed()
    }
}

/// A page of the orchestrations that a query matches.
#[derive(Clone, Debug)]
pub struct Page {
    instances: Vec<InstanceStatus>,
    next: Option<String>,
}

impl Page {
    /// The orchestrations. Input, outcome, version and execution are only in their histories and are left out (the numbers are 0);
    /// [`Client::status`] has them.
    #[must_use]
    pub fn instances(&self) -> &[InstanceStatus] {
        &self.instances
    }

    #[cfg(feature = "http")]
    pub(crate) fn into_instances(self) -> impl Iterator<Item = store::Instance> {
        self.instances.into_iter().map(InstanceStatus::into_instance)
    }

    /// The token to pass to [`Query::after`] for the next page, or `None` on the last page.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

/// How many orchestrations there are of each status, from [`Client::counts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Status, u64>);

impl Counts {
    /// The number of orchestrations with this status.
    #[must_use]
    pub fn of(&self, status: Status) -> u64 {
        self.0.get(&status).copied().unwrap_or(0)
    }

    /// The number of all orchestrations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}
