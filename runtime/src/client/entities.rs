//! Listing entities.

use std::future::IntoFuture;
use std::time::SystemTime;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::client::entity::state_in;
use crate::client::{Client, query};
use crate::entity::EntityId;
use crate::kernel::error::RuntimeError;
use crate::kernel::payload::Payload;
use crate::store::{After, End, Query, Timestamp};

impl Client {
    /// Lists the entities that have a state, by name and key. Awaiting the query returns its first [`EntityPage`].
    ///
    /// ```standalone_crate
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// struct Counter { value: i64 }
    ///
    /// #[dacapo::entity]
    /// impl Counter {
    ///     fn add(&mut self, n: i64) -> i64 { self.value += n; self.value }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// for key in ["a", "b", "c"] {
    ///     runtime.signal(Counter::at(key).add(1)).await?;
    /// }
    /// let page = runtime.entities().name("counter").page_size(2).await?;
    /// assert_eq!(page.entities().iter().map(|entity| entity.id().key()).collect::<Vec<_>>(), ["a", "b"]);
    /// let rest = runtime.entities().name("counter").after(page.next().unwrap()).await?;
    /// assert_eq!((rest.entities().len(), rest.next()), (1, None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn entities(&self) -> EntityQuery {
        EntityQuery {
            client: self.clone(),
            name: None,
            from: None,
            to: None,
            page_size: 100,
            longest: usize::MAX,
            show_state: true,
            after: None,
        }
    }
}

/// A query for entities, from [`Client::entities`]. Every filter narrows it.
///
/// A page starts after the last result of the page before, so none is missed or repeated while others are made.
///
/// # Cancel safety
/// Awaiting it is cancel safe: it only reads.
#[must_use = "a query asks nothing until it is awaited"]
#[derive(Clone)]
pub struct EntityQuery {
    client: Client,
    name: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    page_size: usize,
    /// How many bytes of states a page has at most, but for its last one.
    longest: usize,
    show_state: bool,
    after: Option<String>,
}

impl EntityQuery {
    /// Only entities of the type with this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only entities that were last changed at `from` or later.
    pub fn last_operation_from(mut self, from: SystemTime) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Only entities that were last changed before `to`.
    pub fn last_operation_to(mut self, to: SystemTime) -> Self {
        self.to = Some(to.into());
        self
    }

    /// The maximum number of results per page, from 1 to 10,000. Default: 100.
    pub fn page_size(mut self, limit: usize) -> Self {
        self.page_size = limit;
        self
    }

    /// Whether to include the states. Without them a page takes little memory, however large they are. Default: yes.
    pub fn show_state(mut self, show: bool) -> Self {
        self.show_state = show;
        self
    }

    /// Ends a page after so many bytes of states.
    #[cfg(feature = "http")]
    pub(crate) fn longest_page(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Continues after a page, given its [`next`](EntityPage::next).
    pub fn after(mut self, token: impl Into<String>) -> Self {
        self.after = Some(token.into());
        self
    }

    async fn ask(self) -> Result<EntityPage, RuntimeError> {
        query::check_page_size(self.page_size)?;
        let prefix = match &self.name {
            // There can be none.
            Some(name) if name.contains('@') => return Ok(EntityPage { entities: Vec::new(), next: None }),
            Some(name) => format!("@{}@", self.client.entity_name(name).await?),
            None => "@".to_owned(),
        };
        let mut query = Query {
            id_prefix: Some(prefix),
            after: self.after.as_deref().map(query::place).transpose()?,
            // Those that are left out cost a look, not a page.
            limit: self.page_size.max(100),
            ..Query::default()
        };
        let (mut entities, mut bytes) = (Vec::new(), 0);
        loop {
            let asked = query.clone();
            let found = self.client.ask(async move |store| store.query(asked).await).await?;
            let is_last = found.len() < query.limit;
            for instance in found {
                let place = After { key: instance.key, id: instance.id };
                let at = instance.updated_at;
                let is_wanted = self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to);
                if let Some(id) = EntityId::of(&place.id).filter(|_| is_wanted)
                    && let Some(state) =
                        state_in(self.client.ask(async move |store| store.turn_to_show(place.key, End::Last).await).await?)
                {
                    let state = Some(state).filter(|state| self.show_state && !state.is_sealed());
                    bytes += state.as_ref().map_or(0, |state| state.as_str().len());
                    entities.push(EntityStatus { id, last_operation_at: at.into(), state });
                }
                if entities.len() == self.page_size || bytes > self.longest {
                    return Ok(EntityPage { entities, next: Some(query::token(&place)) });
                }
                query.after = Some(place);
            }
            if is_last {
                return Ok(EntityPage { entities, next: None });
            }
        }
    }
}

impl IntoFuture for EntityQuery {
    type Output = Result<EntityPage, RuntimeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.ask().boxed()
    }
}

/// A page of the entities that a query matches.
#[derive(Clone, Debug)]
pub struct EntityPage {
    entities: Vec<EntityStatus>,
    next: Option<String>,
}

impl EntityPage {
    /// The entities.
    #[must_use]
    pub fn entities(&self) -> &[EntityStatus] {
        &self.entities
    }

    /// The token to pass to [`EntityQuery::after`] for the next page, or `None` on the last page.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

/// The status of an entity, from [`Client::entities`].
#[derive(Clone, Debug)]
pub struct EntityStatus {
    id: EntityId,
    last_operation_at: SystemTime,
    state: Option<Payload>,
}

impl EntityStatus {
    /// Which entity it is.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        &self.id
    }

    /// When an operation, or a lock, changed it last.
    #[must_use]
    pub fn last_operation_at(&self) -> SystemTime {
        self.last_operation_at
    }

    /// Its state, as it is recorded; nothing when it was [not asked for](EntityQuery::show_state) or cannot be decoded here, as where the
    /// key of a codec is missing.
    #[must_use]
    pub fn state(&self) -> Option<&Payload> {
        self.state.as_ref()
    }
}
