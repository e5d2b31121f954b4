//! What a page of instances is asked for by.

use crate::kernel::instance_id;
use crate::store::{Instance, InstanceKey, Status, Timestamp};

/// Which instances to list. What is not said does not restrict.
///
/// The order is from the newest to the oldest, and with an [`id_prefix`](Self::id_prefix) by id: each an index, so that a page costs
/// the same wherever it is, and none is missed or seen twice while others are added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// One of these statuses; none means any.
    pub statuses: Vec<Status>,
    /// This orchestrator.
    pub name: Option<String>,
    /// The instance id starts with this. Without it, entities, whose ids start with `@`, are left out.
    pub id_prefix: Option<String>,
    /// Asked for at this time or later.
    pub created_from: Option<Timestamp>,
    /// Asked for before this time.
    pub created_to: Option<Timestamp>,
    /// All of these labels.
    pub tags: Vec<(String, String)>,
    /// Called by the orchestration of this id.
    pub parent: Option<String>,
    /// Only what follows this one in the order.
    pub after: Option<After>,
    /// How many at most.
    pub limit: usize,
}

/// The last instance of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct After {
    /// Its number.
    pub key: InstanceKey,
    /// Its id.
    pub id: String,
}

impl After {
    /// The instance with this number and id.
    #[must_use]
    pub fn new(key: InstanceKey, id: impl Into<String>) -> Self {
        Self { key, id: id.into() }
    }
}

impl Query {
    /// Whether an instance is one that is asked for, wherever it stands in the order.
    pub(crate) fn matches(&self, instance: &Instance) -> bool {
        (self.id_prefix.is_some() || !instance_id::is_entity(&instance.id))
            && (self.statuses.is_empty() || self.statuses.contains(&instance.state.status))
            && self.name.as_ref().is_none_or(|name| *name == instance.name)
            && self.id_prefix.as_ref().is_none_or(|prefix| instance.id.starts_with(prefix.as_str()))
            && self.created_from.is_none_or(|from| instance.created_at >= from)
            && self.created_to.is_none_or(|to| instance.created_at < to)
            && self.tags.iter().all(|(name, value)| instance.tags.get(name) == Some(value))
            && self.parent.as_ref().is_none_or(|id| instance.parent.as_ref().is_some_and(|parent| parent.instance == *id))
    }
}
